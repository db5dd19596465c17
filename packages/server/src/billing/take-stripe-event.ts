import { getEnvironment } from "../accounts/accounts.ts";
import { ApiError } from "../http/api-error.ts";
import { payersOfStripeCustomer } from "../payers/payer.ts";
import type { Services } from "../services.ts";
import type { Queryable } from "../store/database.ts";
import { followStripe, isUnfinished, type StandingInStripe, standingInStripe } from "./follow-stripe.ts";
import type { InvoiceStatus } from "./invoice-status.ts";
import { type InvoiceRow, invoicesInStripe } from "./invoices.ts";
import { type StripeConnection, stripeFailure } from "./stripe.ts";
import { readStripeInvoice } from "./stripe-invoice.ts";
import { syncPayer } from "./sync-payer.ts";

/** Statuses of an invoice by the Stripe events that report them. Its other events are ignored. */
const STATUS_OF: Readonly<Record<string, InvoiceStatus>> = {
  "invoice.finalized": "open",
  "invoice.payment_failed": "payment_failed",
  "invoice.paid": "paid",
  "invoice.marked_uncollectible": "uncollectible",
  "invoice.voided": "void",
};

/**
 * Events about a customer. They are out of date already when they arrive, so the customer is read from Stripe
 * then: one that is in sync needs nothing, whichever side changed it, however late and often the events
 * arrive.
 */
const OF_CUSTOMERS: ReadonlySet<string> = new Set([
  "customer.updated",
  "customer.deleted",
  "customer.tax_id.created",
  "customer.tax_id.updated",
  "customer.tax_id.deleted",
]);

/** As much of one of Stripe's events as is looked at. */
export interface StripeEvent {
  readonly id: string;
  readonly type: string;
  readonly livemode: boolean;
  readonly data: { readonly object: unknown };
}

/** The types of the events that are followed. */
export const FOLLOWED_EVENTS: readonly string[] = [...Object.keys(STATUS_OF), ...OF_CUSTOMERS];

/**
 * Remembers an event and follows it, once however often it comes.
 *
 * @throws {ApiError} `VALIDATION_ERROR` when it is of the other mode than the key's; `UPSTREAM_ERROR` when it is about a
 * customer or a draft that Stripe does not show.
 */
export async function takeStripeEvent(
  services: Pick<Services, "db" | "now" | "newId">,
  stripe: StripeConnection,
  event: StripeEvent,
  requestId?: string,
): Promise<void> {
  const { db, now, newId } = services;
  const { mode } = stripe;
  const status = STATUS_OF[event.type];
  const object = lookedAt(event);
  const ofCustomer = OF_CUSTOMERS.has(event.type);
  if ((status === undefined && !ofCustomer) || object === undefined) return;
  if (event.livemode !== (mode === "live")) {
    throw new ApiError(
      "VALIDATION_ERROR",
      `This server has a ${mode} key of Stripe's: the event is of the other mode.`,
    );
  }
  if (status === undefined) {
    // Whatever it said: the customer is read as it is now.
    await followCustomer(services, stripe, customerIdOf(object));
    await remember(db, event, now());
    return;
  }
  const url = typeof object.hosted_invoice_url === "string" ? object.hosted_invoice_url : null;
  const standings = await readStandings(services, stripe, object.id, { status, url });
  const at = now();
  await db.transaction(async (tx) => {
    if (!(await remember(tx, event, at))) return;
    const making = { newId, now: at, ...(requestId !== undefined && { requestId }) };
    for (const [row, standing] of standings)
      await followStripe(tx, row.environment_id, row.id, standing, making);
  });
}

/**
 * The invoices that an event is about, and how they stand. A draft may have been changed in Stripe before it was finalized
 * there, so it is read; of one that was finalized from here, the event says enough. One that is no longer in Stripe is
 * left as it is.
 */
async function readStandings(
  { db }: Pick<Services, "db">,
  { api, mode }: StripeConnection,
  stripeInvoiceId: string,
  told: StandingInStripe,
): Promise<[InvoiceRow, StandingInStripe][]> {
  const standings: [InvoiceRow, StandingInStripe][] = [];
  for (const row of await invoicesInStripe(db, stripeInvoiceId, mode)) {
    if (!isUnfinished(row)) {
      standings.push([row, told]);
      continue;
    }
    try {
      const found = await readStripeInvoice(api, row);
      const read = found === null ? undefined : await standingInStripe(api, row, found);
      if (read === undefined) continue;
      standings.push([row, read.mismatch === undefined ? { ...read, status: told.status } : read]);
    } catch (error) {
      throw stripeFailure(error, "show the invoice", { invoiceId: row.id });
    }
  }
  return standings;
}

/** Returns whether the event is new. */
async function remember(tx: Queryable, { id }: StripeEvent, at: Date): Promise<boolean> {
  const first = await tx.query(
    "INSERT INTO stripe_events (id, received_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id",
    [id, at],
  );
  return first.length > 0;
}

/** Brings every payer who is that Stripe customer in step with it. */
async function followCustomer(
  services: Pick<Services, "db" | "now" | "newId">,
  { api, mode }: StripeConnection,
  stripeCustomerId: string,
): Promise<void> {
  for (const payer of await payersOfStripeCustomer(services.db, stripeCustomerId, mode)) {
    const { account } = await getEnvironment(services.db, payer.environmentId);
    try {
      await syncPayer({ services, api, accountId: account.id }, payer);
    } catch (error) {
      throw stripeFailure(error, "show the customer", { stripeCustomerId });
    }
  }
}

/** Of a tax id, the customer is a member. */
function customerIdOf(object: EventObject): string {
  return typeof object.customer === "string" ? object.customer : object.id;
}

/** As much of an event's object as is looked at. */
export interface EventObject {
  readonly id: string;
  readonly customer?: unknown;
  readonly hosted_invoice_url?: unknown;
}

/** Returns as much of an event's object as is looked at; undefined where it has no id. */
export function lookedAt({ data: { object } }: StripeEvent): EventObject | undefined {
  if (typeof object !== "object" || object === null || !("id" in object) || typeof object.id !== "string")
    return undefined;
  return {
    id: object.id,
    ...("customer" in object && { customer: object.customer }),
    ...("hosted_invoice_url" in object && { hosted_invoice_url: object.hosted_invoice_url }),
  };
}
