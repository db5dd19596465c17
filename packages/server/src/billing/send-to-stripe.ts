import type { BillingPeriod } from "@licentric/contract";
import type Stripe from "stripe";
import type { Environment } from "../accounts/accounts.ts";
import { ApiError } from "../http/api-error.ts";
import type { Services } from "../services.ts";
import type { Database } from "../store/database.ts";
import { followStripe, standingInStripe } from "./follow-stripe.ts";
import { type InvoiceItem, itemsOf, keyOfItem } from "./invoice-items.ts";
import { draftOf, hasTerms, termsUpdate } from "./invoice-terms.ts";
import { announceInvoice, getInvoice, type InvoiceRow } from "./invoices.ts";
import { makeInStripe } from "./make-in-stripe.ts";
import { payingCustomer, type Sending } from "./paying-customer.ts";
import { getPeriod } from "./periods.ts";
import { type StripeConnection, seconds, stripeFailure } from "./stripe.ts";
import {
  deleteDraft,
  findStripeInvoice,
  readStripeInvoice,
  requireWhole,
  stripeAmount,
} from "./stripe-invoice.ts";
import { mismatchNotice } from "./stripe-limits.ts";

/**
 * Brings an invoice to Stripe: customer, draft, one item per meter and one for each of discount and minimum, finalize.
 * Each step has an idempotency key of its own and is recorded before the next, so that after a crash or a timeout
 * anywhere the same call goes on where it stopped, and nothing is made twice. An invoice without items is not sent:
 * there is nothing to put on it.
 *
 * @throws {ApiError} `UPSTREAM_ERROR` when Stripe refuses or cannot be reached; what was done so far is kept.
 * `UNPROCESSABLE` when the payer has no e-mail address or his Stripe customer is gone or another account's, and when
 * Stripe refuses for good. `CONFLICT` when it is voided meanwhile, or was
 * credited before Stripe was connected.
 */
export async function sendToStripe(
  services: Pick<Services, "db" | "now" | "newId">,
  { api, mode }: StripeConnection,
  environment: Environment,
  invoice: InvoiceRow,
): Promise<InvoiceRow> {
  if (environment.mode !== mode)
    throw new Error(`a ${mode} Stripe key must never see ${environment.mode} data`);
  if (invoice.status !== "computed" && invoice.status !== "draft") return invoice;
  if (BigInt(invoice.credited_minor) > 0n) {
    throw new ApiError(
      "CONFLICT",
      "The invoice was credited before Stripe was connected. Void it and create it again to send it.",
    );
  }
  if (itemsOf(invoice).length === 0) return finishEmpty(services, invoice);

  const sending: Sending = { services, api, environment };
  try {
    const known = await readStripeInvoice(api, invoice);
    if (known !== null && known.status !== "draft") {
      return await finish(sending, invoice, known);
    }
    // A draft that was deleted in Stripe, alone or with all test data, is made anew.
    const isLost = invoice.stripe_invoice_id !== null && known === null;
    const withCustomer = await ensureCustomer(sending, isLost ? await startOver(sending, invoice) : invoice);
    const { draft, stripeInvoiceId } = await ensureDraft(sending, withCustomer);
    const complete = await ensureItems(sending, draft, stripeInvoiceId);
    return await finish(sending, complete, await finalize(sending, complete, stripeInvoiceId));
  } catch (error) {
    throw stripeFailure(error, "finish the invoice", { invoiceId: invoice.id });
  }
}

/** Ids in Stripe that the invoice must have once a step is recorded; one that is left out is not compared. */
type Note = Partial<Pick<InvoiceRow, "stripe_customer_id" | "stripe_invoice_id">>;

/**
 * Records a step. An invoice that was voided meanwhile takes none, and one that another request sends to another Stripe
 * customer meanwhile takes none of this one's.
 */
async function record(
  db: Database,
  invoice: InvoiceRow,
  { change, value, note = invoice }: { change: string; value: string; note?: Note },
): Promise<InvoiceRow> {
  await db.query(
    `UPDATE invoices SET ${change}, stripe_configured = true
     WHERE id = $1 AND status IN ('computed', 'draft') AND stripe_customer_id IS NOT DISTINCT FROM $3
       AND stripe_invoice_id IS NOT DISTINCT FROM $4`,
    [invoice.id, value, invoice.stripe_customer_id, invoice.stripe_invoice_id],
  );
  const row = await getInvoice(db, invoice.environment_id, invoice.id);
  if (row.status === "void")
    throw new ApiError("CONFLICT", "The invoice was voided while it was being sent. Create it again.");
  const {
    stripe_customer_id: customer = row.stripe_customer_id,
    stripe_invoice_id: draft = row.stripe_invoice_id,
  } = note;
  if (row.stripe_customer_id === customer && row.stripe_invoice_id === draft) return row;
  throw new ApiError(
    "CONFLICT",
    "Another request sends the invoice, to another Stripe customer of its payer. Repeat the request.",
    { invoiceId: invoice.id },
  );
}

async function ensureCustomer(sending: Sending, invoice: InvoiceRow): Promise<InvoiceRow> {
  const customer = await payingCustomer(sending, invoice);
  if (invoice.stripe_customer_id === customer) return invoice;
  const fresh = invoice.stripe_customer_id === null ? invoice : await startOver(sending, invoice);
  return record(sending.services.db, fresh, {
    change: "stripe_customer_id = $2",
    value: customer,
    note: { stripe_customer_id: customer },
  });
}

/**
 * Forgets what was made in Stripe of an invoice that is not finalized, and removes it there. One of several processes
 * decides it; all of them go on with idempotency keys that were not used before.
 */
async function startOver({ services, api }: Sending, invoice: InvoiceRow): Promise<InvoiceRow> {
  const { db, now } = services;
  const draft = invoice.stripe_invoice_id ?? (await findStripeInvoice(api, invoice))?.id;
  if (draft !== undefined) await deleteDraft(api, draft);
  await db.transaction(async (tx) => {
    const forgotten = await tx.query(
      `UPDATE invoices SET status = 'computed', stripe_customer_id = NULL, stripe_invoice_id = NULL, stripe_items = '{}',
         mismatch_status = NULL, mismatch_subtotal = NULL
       WHERE id = $1 AND status IN ('computed', 'draft') AND stripe_customer_id IS NOT DISTINCT FROM $2
         AND stripe_invoice_id IS NOT DISTINCT FROM $3 RETURNING id`,
      [invoice.id, invoice.stripe_customer_id, invoice.stripe_invoice_id],
    );
    if (forgotten.length === 0) return;
    await tx.query(
      `UPDATE stripe_steps SET attempt = attempt + 1, first_started_at = $2, started_at = $2, spent = false
       WHERE subject_id = $1`,
      [invoice.id, now()],
    );
  });
  return getInvoice(db, invoice.environment_id, invoice.id);
}

/**
 * The draft, with what was said of the invoice last: until it is noted here, a repetition may say otherwise, and Stripe
 * has what was said first.
 */
async function ensureDraft(sending: Sending, invoice: InvoiceRow) {
  const { services, api } = sending;
  if (invoice.stripe_invoice_id !== null) {
    await alignTerms(sending, invoice, await api.invoices.retrieve(invoice.stripe_invoice_id));
    return { draft: invoice, stripeInvoiceId: invoice.stripe_invoice_id };
  }
  const made = await makeInStripe(services, {
    subjectId: invoice.id,
    step: "invoice",
    find: () => findStripeInvoice(api, invoice),
    make: (idempotencyKey) => api.invoices.create(draftOf(invoice), { idempotencyKey }),
  });
  try {
    const draft = await record(services.db, invoice, {
      change: "stripe_invoice_id = $2, status = 'draft'",
      value: made.id,
      note: { stripe_customer_id: invoice.stripe_customer_id, stripe_invoice_id: made.id },
    });
    await alignTerms(sending, draft, made);
    return { draft, stripeInvoiceId: made.id };
  } catch (error) {
    if (error instanceof ApiError) await deleteDraft(api, made.id);
    throw error;
  }
}

/** Before anything is put on a draft: what can be put on it depends on its terms. */
async function alignTerms({ api }: Sending, invoice: InvoiceRow, draft: Stripe.Invoice): Promise<void> {
  if (draft.status !== "draft" || hasTerms(invoice, draft)) return;
  await api.invoices.update(draft.id, termsUpdate(invoice, draft));
}

async function ensureItems(
  { services, api }: Sending,
  invoice: InvoiceRow,
  stripeInvoiceId: string,
): Promise<InvoiceRow> {
  let current = invoice;
  const period = await getPeriod(services.db, invoice.environment_id, invoice.period_id);
  for (const item of itemsOf(invoice)) {
    if (current.stripe_items.includes(item.key)) continue;
    await makeInStripe(services, {
      subjectId: invoice.id,
      step: `item:${item.key}`,
      find: () => findItem(api, stripeInvoiceId, item),
      make: (idempotencyKey) =>
        api.invoiceItems.create(itemOf(invoice, stripeInvoiceId, item, period), { idempotencyKey }),
    });
    current = await record(services.db, current, {
      change: "stripe_items = array_append(array_remove(stripe_items, $2), $2)",
      value: item.key,
    });
  }
  return current;
}

function itemOf(
  invoice: InvoiceRow,
  stripeInvoiceId: string,
  item: InvoiceItem,
  period: BillingPeriod,
): Stripe.InvoiceItemCreateParams {
  const start = seconds(new Date(period.startsAt));
  return {
    customer: invoice.stripe_customer_id ?? "",
    invoice: stripeInvoiceId,
    currency: invoice.currency,
    amount: stripeAmount(item.amountMinor, invoice.currency),
    description: item.description,
    // Stripe shows the day of each: the last second of the period is in its last day.
    period: { start, end: Math.max(start, seconds(new Date(period.endsAt)) - 1) },
    // Of what is agreed here, a coupon of Stripe's takes nothing off.
    discountable: item.meterName !== null,
    ...(invoice.automatic_tax &&
      ({ tax_behavior: "exclusive" } satisfies Partial<Stripe.InvoiceItemCreateParams>)),
    metadata: { ...item.metadata },
  };
}

async function findItem(api: Stripe, stripeInvoiceId: string, { key }: InvoiceItem) {
  for await (const found of api.invoiceItems.list({ invoice: stripeInvoiceId, limit: 100 })) {
    if (keyOfItem(found.metadata) === key) return found;
  }
  return null;
}

/** Finalizes the draft, unless what is on it is not what is to be billed. */
async function finalize(
  { services, api }: Sending,
  invoice: InvoiceRow,
  stripeInvoiceId: string,
): Promise<Stripe.Invoice> {
  const draft = await api.invoices.retrieve(stripeInvoiceId);
  if (draft.status !== "draft") return draft;
  await requireWhole(api, invoice, draft);
  return makeInStripe(services, {
    subjectId: invoice.id,
    step: "finalize",
    find: async () => {
      const found = await api.invoices.retrieve(stripeInvoiceId);
      return found.status === "draft" ? null : found;
    },
    make: (idempotencyKey) =>
      api.invoices.finalizeInvoice(
        stripeInvoiceId,
        // What is to be charged is charged by Stripe itself; what is to be sent is passed on by its address.
        { auto_advance: invoice.collection === "charge_automatically" },
        { idempotencyKey },
      ),
  });
}

/**
 * Records that the invoice is complete, and tells webhooks of it, in one transaction.
 *
 * @throws {ApiError} `CONFLICT` where Stripe has finalized another: that is recorded then.
 */
async function finish(
  { services: { db, now, newId }, api }: Sending,
  invoice: InvoiceRow,
  finalized: Stripe.Invoice,
): Promise<InvoiceRow> {
  const { id, environment_id: environmentId } = invoice;
  const standing = await standingInStripe(api, invoice, finalized);
  if (standing === undefined)
    throw new Error(`Stripe has not finalized ${finalized.id}: ${finalized.status}`);
  const row = await db.transaction(async (tx) => {
    await followStripe(tx, environmentId, id, standing, { newId, now: now() });
    return getInvoice(tx, environmentId, id);
  });
  const notice = mismatchNotice(row);
  if (notice === undefined) return row;
  const details = { invoiceId: id, stripeInvoiceId: finalized.id, total: row.total };
  throw new ApiError("CONFLICT", notice, details);
}

/** Records that there is nothing to send. */
function finishEmpty(
  { db, now, newId }: Pick<Services, "db" | "now" | "newId">,
  { id, environment_id: environmentId }: InvoiceRow,
): Promise<InvoiceRow> {
  return db.transaction(async (tx) => {
    await tx.query("UPDATE invoices SET stripe_configured = true WHERE id = $1", [id]);
    await announceInvoice(tx, await getInvoice(tx, environmentId, id), { newId, now: now() });
    return getInvoice(tx, environmentId, id);
  });
}
