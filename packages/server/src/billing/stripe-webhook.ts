import Stripe from "stripe";
import { getEnvironment } from "../accounts/accounts.ts";
import { ApiError } from "../http/api-error.ts";
import type { RouteRegistration } from "../http/on-route.ts";
import { payersOfStripeCustomer } from "../payers/payer.ts";
import type { Services } from "../services.ts";
import type { InvoiceStatus } from "./invoice-status.ts";
import { followStripe } from "./invoices.ts";
import { type StripeConnection, stripeFailure } from "./stripe.ts";
import { syncPayer } from "./sync-payer.ts";

/** Path to which Stripe sends its events. */
export const STRIPE_WEBHOOK_PATH = "/webhooks/stripe";

const TOLERANCE_SECONDS = 300;

/** A time, and a signature of each scheme; `v1` is an HMAC-SHA256 in hex (https://docs.stripe.com/webhooks/signature). */
const SIGNATURE = /^t=\d{1,12}(?=(?:,\w+=\w+)*,v1=)(?:,(?:v1=[0-9a-f]{64}|(?!v1=)\w+=\w+))+$/;

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

/**
 * Takes Stripe's events. The body is checked as it arrived; an event counts once; one that comes late cannot take an
 * invoice back, because `paid` and `void` are final and nothing leads from them; and an event of the other mode
 * than the key's is refused.
 */
export const stripeWebhookRoutes: RouteRegistration[] = [
  (app, services) => {
    app.register(async (scope) => {
      scope.removeContentTypeParser("application/json");
      scope.addContentTypeParser("application/json", { parseAs: "buffer" }, (_, body, done) =>
        done(null, body),
      );
      scope.post(STRIPE_WEBHOOK_PATH, async (request) => {
        const { stripe } = services;
        if (stripe === null || stripe.webhookSecret === null) {
          throw new ApiError(
            "NOT_FOUND",
            "This server takes no events of Stripe's. Set STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET and start it again.",
          );
        }
        const signature = request.headers["stripe-signature"];
        const event = verifiedEvent(stripe, stripe.webhookSecret, request.body, signature, services.now());
        await takeEvent(services, stripe, event, request.id);
        return { data: { received: true } };
      });
    });
  },
];

function verifiedEvent(
  { api }: StripeConnection,
  secret: string,
  body: unknown,
  signature: string | string[] | undefined,
  now: Date,
): Stripe.Event {
  if (!Buffer.isBuffer(body) || typeof signature !== "string" || !SIGNATURE.test(signature)) {
    throw notFromStripe();
  }
  try {
    const receivedAt = now.getTime();
    return api.webhooks.constructEvent(body, signature, secret, TOLERANCE_SECONDS, undefined, receivedAt);
  } catch (error) {
    // A signed body that is not an event of Stripe's is as little of Stripe's as one that is not signed.
    if (error instanceof Stripe.errors.StripeError || error instanceof SyntaxError) throw notFromStripe();
    throw error;
  }
}

function notFromStripe(): ApiError {
  return new ApiError(
    "VALIDATION_ERROR",
    "The request is not signed by Stripe with STRIPE_WEBHOOK_SECRET, or is older than five minutes.",
  );
}

/** Remembers the event and follows it, in one transaction. */
async function takeEvent(
  services: Pick<Services, "db" | "now" | "newId">,
  stripe: StripeConnection,
  event: Stripe.Event,
  requestId: string,
): Promise<void> {
  const { db, now, newId } = services;
  const { mode } = stripe;
  const status = STATUS_OF[event.type];
  const object: unknown = event.data.object;
  const ofCustomer = OF_CUSTOMERS.has(event.type);
  if ((status === undefined && !ofCustomer) || !isObject(object)) return;
  if (event.livemode !== (mode === "live")) {
    throw new ApiError(
      "VALIDATION_ERROR",
      `This server has a ${mode} key of Stripe's: the event is of the other mode.`,
    );
  }
  if (status === undefined) return followCustomer(services, stripe, customerIdOf(object));
  const invoice = object;
  const at = now();
  await db.transaction(async (tx) => {
    const first = await tx.query(
      "INSERT INTO stripe_events (id, received_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id",
      [event.id, at],
    );
    if (first.length === 0) return;
    const rows = await tx.query<{ id: string; environment_id: string }>(
      `SELECT i.id, i.environment_id FROM invoices i JOIN environments e ON e.id = i.environment_id
       WHERE i.stripe_invoice_id = $1 AND e.mode = $2`,
      [invoice.id, mode],
    );
    const making = { newId, now: at, requestId };
    const url = typeof invoice.hosted_invoice_url === "string" ? invoice.hosted_invoice_url : null;
    for (const row of rows) await followStripe(tx, row.environment_id, row.id, { status, url }, making);
  });
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
interface EventObject {
  readonly id: string;
  readonly customer?: unknown;
  readonly hosted_invoice_url?: unknown;
}

function isObject(object: unknown): object is EventObject {
  return typeof object === "object" && object !== null && "id" in object && typeof object.id === "string";
}
