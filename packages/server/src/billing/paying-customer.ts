import { recordSystemChange } from "../audit/audit-events.ts";
import { ApiError } from "../http/api-error.ts";
import { onlyRow } from "../store/database.ts";
import type { InvoiceRow } from "./invoices.ts";
import { makeInStripe } from "./make-in-stripe.ts";
import type { Sending } from "./send-to-stripe.ts";
import { isMissing, seconds } from "./stripe.ts";

interface Payer {
  readonly id: string;
  readonly name: string;
  readonly email: string | null;
  readonly stripe_customer_id: string | null;
}

/** The Stripe customer who pays: made with the first invoice where none is connected yet. */
export async function payingCustomer(sending: Sending, invoice: InvoiceRow): Promise<string> {
  const { services, api, environment } = sending;
  const { db } = services;
  const table = invoice.customer_id === null ? "environments" : "customers";
  const payer = onlyRow(
    invoice.customer_id === null
      ? await db.query<Payer>(
          "SELECT id, $2::text AS name, NULL AS email, stripe_customer_id FROM environments WHERE id = $1",
          [environment.id, environment.account.name],
        )
      : await db.query<Payer>(
          "SELECT id, name, email, stripe_customer_id FROM customers WHERE environment_id = $1 AND id = $2",
          [environment.id, invoice.customer_id],
        ),
  );
  if (payer.stripe_customer_id !== null) {
    await requireOwnCustomer(sending, payer.stripe_customer_id);
    return payer.stripe_customer_id;
  }
  const customer = await makeInStripe(services, {
    subjectId: payer.id,
    step: "customer",
    find: async (since) => {
      const list = api.customers.list({ created: { gte: seconds(since) }, limit: 100 });
      for await (const one of list) if (one.metadata["licentric_payer_id"] === payer.id) return one;
      return null;
    },
    make: (idempotencyKey) =>
      api.customers.create(
        {
          name: payer.name,
          ...(payer.email === null ? {} : { email: payer.email }),
          metadata: { licentric_account_id: environment.account.id, licentric_payer_id: payer.id },
        },
        { idempotencyKey },
      ),
  });
  await db.transaction(async (tx) => {
    const connected = await tx.query(
      `UPDATE ${table} SET stripe_customer_id = $2 WHERE id = $1 AND stripe_customer_id IS NULL RETURNING id`,
      [payer.id, customer.id],
    );
    if (connected.length === 0) return;
    const { newId, now } = services;
    const operation = "customer.connected";
    await recordSystemChange(
      tx,
      { environmentId: environment.id, actor: "stripe", operation, resourceIds: [payer.id] },
      { newId, now: now() },
    );
  });
  return customer.id;
}

/** An account names its customers' Stripe ids itself: one that was made for another account is not its to bill. */
async function requireOwnCustomer({ api, environment }: Sending, stripeCustomerId: string): Promise<void> {
  const customer = await api.customers.retrieve(stripeCustomerId).catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  const owner = customer === null || customer.deleted ? null : customer.metadata["licentric_account_id"];
  if (owner === undefined || owner === environment.account.id) return;
  throw new ApiError(
    "UNPROCESSABLE",
    `The Stripe customer "${stripeCustomerId}" does not exist for this account. Correct the customer's stripeCustomerId.`,
    { stripeCustomerId },
  );
}
