import type { Mode } from "@licentric/contract";
import Stripe from "stripe";
import type { Environment } from "../accounts/accounts.ts";
import { ApiError } from "../http/api-error.ts";
import { type Database, onlyRow, type Queryable } from "../store/database.ts";
import { currencyRule } from "./currency.ts";
import { getInvoice, type InvoiceRow } from "./invoices.ts";

/** How Stripe is reached. */
export interface StripeOptions {
  /** `sk_test_…` or `rk_test_…` invoices test data, `sk_live_…` or `rk_live_…` live data; never the other. */
  readonly apiKey: string;
  /** Another origin than Stripe's own, for tests on loopback. */
  readonly baseUrl?: string;
}

/** Stripe for the mode that the key is for. */
export interface StripeConnection {
  readonly mode: Mode;
  readonly api: Stripe;
}

/** @throws {RangeError} when the key is no secret or restricted key of Stripe's. */
export function connectStripe({ apiKey, baseUrl }: StripeOptions): StripeConnection {
  const mode = /^[sr]k_(test|live)_\w+$/.exec(apiKey)?.[1];
  if (mode !== "test" && mode !== "live") {
    throw new RangeError(
      "STRIPE_API_KEY is not a Stripe secret key. It begins with sk_test_, sk_live_, rk_test_ or rk_live_.",
    );
  }
  const origin = baseUrl === undefined ? undefined : new URL(baseUrl);
  const api = new Stripe(apiKey, {
    maxNetworkRetries: 2,
    timeout: 20_000,
    telemetry: false,
    appInfo: { name: "licentric" },
    ...(origin && {
      host: origin.hostname,
      port: Number(origin.port || (origin.protocol === "https:" ? 443 : 80)),
      protocol: origin.protocol === "http:" ? "http" : "https",
    }),
  });
  return { mode, api };
}

const DAYS_UNTIL_DUE = 30;

/**
 * Brings an invoice to Stripe: customer, draft, one item per meter, finalize. Each step has an idempotency key of
 * its own and is recorded before the next, so that after a crash or a timeout anywhere the same call goes on where
 * it stopped, and nothing is made twice.
 *
 * @throws {ApiError} `UPSTREAM_ERROR` when Stripe refuses or cannot be reached; what was done so far is kept.
 */
export async function sendToStripe(
  db: Database,
  { api }: StripeConnection,
  environment: Environment,
  invoice: InvoiceRow,
): Promise<InvoiceRow> {
  let current = invoice;
  const record = async (change: string, values: readonly (string | null)[]) => {
    await db.query(`UPDATE invoices SET ${change} WHERE id = $1`, [invoice.id, ...values]);
    current = await getInvoice(db, environment.id, invoice.id);
  };

  try {
    const customer =
      current.stripe_customer_id ?? (await ensureStripeCustomer(db, api, environment, current));
    if (current.stripe_customer_id === null) await record("stripe_customer_id = $2", [customer]);

    if (current.stripe_invoice_id === null) {
      const draft = await api.invoices.create(
        {
          customer,
          currency: current.currency,
          auto_advance: false,
          collection_method: "send_invoice",
          days_until_due: DAYS_UNTIL_DUE,
          pending_invoice_items_behavior: "exclude",
          metadata: { licentric_invoice_id: current.id, licentric_period_id: current.period_id },
        },
        { idempotencyKey: `licentric:${current.id}:invoice` },
      );
      await record("stripe_invoice_id = $2, status = 'draft'", [draft.id]);
    }

    const stripeInvoiceId = current.stripe_invoice_id;
    if (stripeInvoiceId === null) throw new Error("the draft was not recorded");
    const factor = currencyRule(current.currency).stripeFactor;
    for (const line of current.lines) {
      if (current.stripe_items.includes(line.meterName)) continue;
      await api.invoiceItems.create(
        {
          customer,
          invoice: stripeInvoiceId,
          currency: current.currency,
          amount: line.amountMinor * factor,
          description: `${line.description} × ${line.quantity}`,
          metadata: { licentric_meter: line.meterName, licentric_quantity: String(line.quantity) },
        },
        { idempotencyKey: `licentric:${current.id}:item:${line.meterName}` },
      );
      await record("stripe_items = array_append(array_remove(stripe_items, $2), $2)", [line.meterName]);
    }

    if (current.status === "draft") {
      const open = await api.invoices.finalizeInvoice(
        stripeInvoiceId,
        { auto_advance: false },
        { idempotencyKey: `licentric:${current.id}:finalize` },
      );
      await record("status = $2, hosted_invoice_url = $3", [
        open.status ?? "open",
        open.hosted_invoice_url ?? null,
      ]);
    }
    return current;
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error;
    throw new ApiError(
      "UPSTREAM_ERROR",
      `Stripe did not finish the invoice (${error.type}: ${error.message}). Nothing is lost: create the invoice again and it goes on where it stopped.`,
      { invoiceId: invoice.id, stripeCode: error.code ?? null, stripeRequestId: error.requestId ?? null },
    );
  }
}

/** The Stripe customer who pays: made with the first invoice where none is connected yet. */
async function ensureStripeCustomer(
  db: Queryable,
  api: Stripe,
  environment: Environment,
  invoice: InvoiceRow,
): Promise<string> {
  const payer =
    invoice.customer_id === null
      ? {
          table: "environments",
          id: environment.id,
          sql: "SELECT stripe_customer_id, NULL AS email FROM environments WHERE id = $1",
        }
      : {
          table: "customers",
          id: invoice.customer_id,
          sql: "SELECT stripe_customer_id, name, email FROM customers WHERE id = $1",
        };
  const row = onlyRow(
    await db.query<{ stripe_customer_id: string | null; name?: string; email: string | null }>(payer.sql, [
      payer.id,
    ]),
  );
  if (row.stripe_customer_id !== null) return row.stripe_customer_id;
  const customer = await api.customers.create(
    {
      name: row.name ?? environment.account.name,
      ...(row.email === null ? {} : { email: row.email }),
      metadata: { licentric_account_id: environment.account.id, licentric_payer_id: payer.id },
    },
    { idempotencyKey: `licentric:${payer.id}:customer` },
  );
  await db.query(`UPDATE ${payer.table} SET stripe_customer_id = $2 WHERE id = $1`, [payer.id, customer.id]);
  return customer.id;
}
