import type Stripe from "stripe";
import type { Environment } from "../accounts/accounts.ts";
import { ApiError } from "../http/api-error.ts";
import type { Services } from "../services.ts";
import { followStripe, type StandingInStripe, standingInStripe } from "./follow-stripe.ts";
import { moveInvoice } from "./invoice-status.ts";
import { getInvoice, type InvoiceRow, lockInvoice } from "./invoices.ts";
import { isMissing, type StripeConnection, stripeFailure } from "./stripe.ts";
import { deleteDraft, findStripeInvoice } from "./stripe-invoice.ts";
import { mismatchNotice } from "./stripe-limits.ts";

/**
 * Voids an invoice, in Stripe first: it bills nothing from then on, and its usage can be invoiced again. A draft is
 * removed from Stripe. Voiding it again answers the same.
 *
 * @throws {ApiError} `CONFLICT` when it is paid: a credit note takes back what was paid; of what was paid in place of it
 * in Stripe, one in Stripe over all of it, after which it can be voided. `UNPROCESSABLE` when it is
 * in Stripe and Stripe is not connected now. `UPSTREAM_ERROR` when Stripe refuses.
 */
export async function voidInvoice(
  services: Pick<Services, "db" | "now" | "newId" | "stripe">,
  environment: Environment,
  invoice: InvoiceRow,
): Promise<InvoiceRow> {
  const { db, now, newId } = services;
  if (invoice.status === "void") return invoice;
  if (invoice.status === "paid") throw paidAlready();
  const stripe = services.stripe?.mode === environment.mode ? services.stripe : null;
  if (stripe === null && invoice.stripe_configured && invoice.stripe_customer_id !== null) {
    throw new ApiError(
      "UNPROCESSABLE",
      "The invoice is in Stripe, and this server has no Stripe key for it now. Set STRIPE_API_KEY and repeat.",
    );
  }
  const paid = stripe === null ? undefined : await voidInStripe(stripe, invoice);
  const row = await db.transaction(async (tx) => {
    const current = await lockInvoice(tx, environment.id, invoice.id);
    // It was sent after it had been read: what is in Stripe now has to be voided there first.
    if (current.stripe_invoice_id !== invoice.stripe_invoice_id) return current;
    if (paid !== undefined) await followStripe(tx, environment.id, invoice.id, paid, { newId, now: now() });
    else await moveInvoice(tx, invoice.id, "void", now());
    return getInvoice(tx, environment.id, invoice.id);
  });
  if (row.stripe_invoice_id !== invoice.stripe_invoice_id) return voidInvoice(services, environment, row);
  if (row.status === "void") return row;
  const notice = mismatchNotice(row);
  throw notice === undefined ? paidAlready() : new ApiError("CONFLICT", notice, { invoiceId: row.id });
}

/** @returns how it stands where it turns out to be paid, which cannot be undone; undefined where it bills nothing. */
async function voidInStripe(
  { api }: StripeConnection,
  invoice: InvoiceRow,
): Promise<StandingInStripe | undefined> {
  try {
    // A crash may have come between the draft and the note of its id.
    const found =
      invoice.stripe_invoice_id === null
        ? await findStripeInvoice(api, invoice)
        : await api.invoices.retrieve(invoice.stripe_invoice_id);
    if (found === null || found.status === "void") return undefined;
    if (found.status === "paid") {
      const standing = await standingInStripe(api, invoice, found);
      return standing?.mismatch !== undefined && isTakenBack(found) ? undefined : standing;
    }
    if (found.status === "draft") await deleteDraft(api, found.id);
    else await api.invoices.voidInvoice(found.id);
    return undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw stripeFailure(error, "void the invoice", { invoiceId: invoice.id });
  }
}

/** Checks whether all of what was paid went back. */
function isTakenBack({ total, post_payment_credit_notes_amount: credited }: Stripe.Invoice): boolean {
  return credited >= total;
}

/** The answer to voiding what is paid. */
export function paidAlready(): ApiError {
  return new ApiError(
    "CONFLICT",
    "The invoice is paid, so it cannot be voided. Take the amount back with a credit note " +
      "(POST /api/v1/billing/invoices/:invoiceId/credit-notes).",
  );
}
