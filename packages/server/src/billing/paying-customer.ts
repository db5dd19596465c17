import type Stripe from "stripe";
import type { Environment } from "../accounts/accounts.ts";
import { recordSystemChange } from "../audit/audit-events.ts";
import { ApiError } from "../http/api-error.ts";
import { type Payer, readPayer } from "../payers/payer.ts";
import { stripeOwnerMetadata, stripeOwnerOf } from "../payers/stripe-owner.ts";
import type { Services } from "../services.ts";
import type { InvoiceRow } from "./invoices.ts";
import { makeInStripe } from "./make-in-stripe.ts";
import { seconds } from "./stripe.ts";
import { requireSendable } from "./stripe-limits.ts";
import { syncPayer, tableOf, toStripeAddress } from "./sync-payer.ts";

type CustomerMembers = Stripe.CustomerCreateParams;

/** Context for the steps that send one invoice. */
export interface Sending {
  readonly services: Pick<Services, "db" | "now" | "newId">;
  readonly api: Stripe;
  readonly environment: Environment;
}

/**
 * The Stripe customer who pays, in step with ours: made with the first invoice where none is connected yet.
 *
 * @throws {ApiError} `UNPROCESSABLE` where Stripe is known to refuse the invoice or the payer, or his Stripe customer does
 * not exist for this account. Nothing was made in Stripe then.
 */
export async function payingCustomer(sending: Sending, invoice: InvoiceRow): Promise<string> {
  const { services, api, environment } = sending;
  for (;;) {
    const stored = await readPayer(services.db, environment.id, invoice.customer_id);
    requireSendable(invoice, stored);
    const payer = await syncPayer({ services, api, accountId: environment.account.id }, stored);
    if (payer.missing) throw isMissingInStripe(payer);
    if (payer.email === null && invoice.collection === "send_invoice") throw hasNoEmail(payer);
    if (payer.address?.country === undefined && invoice.automatic_tax) throw hasNoCountry(payer);
    if (payer.stripeCustomerId !== null) return payer.stripeCustomerId;
    await connect(sending, payer, await makeCustomer(sending, payer));
    // What was changed here since, or since an earlier try made it, is unsent: the next round sends it.
  }
}

function connect({ services, environment }: Sending, payer: Payer, customer: Stripe.Customer): Promise<void> {
  const { db, newId, now } = services;
  const table = tableOf(payer);
  return db.transaction(async (tx) => {
    const connected = await tx.query(
      `UPDATE ${table} SET stripe_customer_id = $2, stripe_unsent = '{name,email,address,taxId}'
       WHERE id = $1 AND stripe_customer_id IS NULL AND stripe_generation = $3 RETURNING id`,
      [payer.id, customer.id, payer.generation],
    );
    if (connected.length === 0) return;
    const operation = "customer.connected";
    const resourceIds = [payer.customerId ?? environment.account.id];
    await recordSystemChange(
      tx,
      { environmentId: environment.id, actor: "stripe", operation, resourceIds },
      { newId, now: now() },
    );
  });
}

/** A payer who was taken off his Stripe customer is made anew: what was made before is neither repeated nor found. */
function makeCustomer({ services, api, environment }: Sending, payer: Payer): Promise<Stripe.Customer> {
  const generation = String(payer.generation);
  return makeInStripe(services, {
    subjectId: payer.id,
    step: payer.generation === 0 ? "customer" : `customer:${generation}`,
    find: async (since) => {
      const list = api.customers.list({ created: { gte: seconds(since) }, limit: 100 });
      for await (const { metadata, ...one } of list) {
        const owner = stripeOwnerOf(metadata);
        if (owner.payerId === payer.id && owner.generation === generation) return { metadata, ...one };
      }
      return null;
    },
    make: (idempotencyKey) =>
      api.customers.create(
        {
          name: payer.name,
          ...(payer.email !== null && ({ email: payer.email } satisfies CustomerMembers)),
          ...(payer.address !== null &&
            ({ address: toStripeAddress(payer.address) } satisfies CustomerMembers)),
          ...(payer.taxId !== null && ({ tax_id_data: [payer.taxId] } satisfies CustomerMembers)),
          metadata: stripeOwnerMetadata(environment.account.id, payer),
        },
        { idempotencyKey },
      ),
  });
}

/** Returns the words by which an error names the payer (`who`), and what to change and how (`how`). */
function namesOf({ customerId, name }: Payer) {
  return customerId === null
    ? { who: `The account "${name}"`, how: "the account (`licentric account update`, PATCH /api/v1/account)" }
    : {
        who: `The customer "${name}"`,
        how: `the customer (\`licentric customers update ${customerId}\`, PATCH /api/v1/customers/${customerId})`,
      };
}

function hasNoEmail(payer: Payer): ApiError {
  const { who, how } = namesOf(payer);
  return new ApiError(
    "UNPROCESSABLE",
    `${who} has no e-mail address, and Stripe sends no invoice without one. Nothing was sent. Give ${how} one and repeat.`,
    { payer: { customerId: payer.customerId, name: payer.name }, rule: "email_required" },
  );
}

function hasNoCountry(payer: Payer): ApiError {
  const { who, how } = namesOf(payer);
  return new ApiError(
    "UNPROCESSABLE",
    `${who} has no address with a country, by which Stripe computes the tax. Nothing was sent. Give ${how} one and repeat, or set automaticTax to false.`,
    { payer: { customerId: payer.customerId, name: payer.name }, rule: "tax_location_required" },
  );
}

function isMissingInStripe(payer: Payer): ApiError {
  const { who, how } = namesOf(payer);
  return new ApiError(
    "UNPROCESSABLE",
    `${who} is the Stripe customer "${payer.stripeCustomerId}", which does not exist for this account or is another payer's. Nothing was sent. Set stripeCustomerId of ${how} to another one, or to null to have one made anew, and repeat.`,
    {
      payer: { customerId: payer.customerId, name: payer.name },
      rule: "stripe_customer_missing",
      stripeCustomerId: payer.stripeCustomerId,
    },
  );
}
