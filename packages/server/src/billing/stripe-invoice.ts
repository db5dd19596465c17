import type Stripe from "stripe";
import { ApiError } from "../http/api-error.ts";
import { currencyRule } from "./currency.ts";
import { sumOfItems } from "./invoice-items.ts";
import type { InvoiceRow } from "./invoices.ts";
import { CLOCK_DIFFERENCE, isMissing, seconds } from "./stripe.ts";

/**
 * Reads Stripe's copy of an invoice that was sent in part: a draft, or all of it where only the response was
 * lost; null where Stripe has none.
 */
export async function readStripeInvoice(
  api: Stripe,
  { stripe_invoice_id: id }: InvoiceRow,
): Promise<Stripe.Invoice | null> {
  if (id === null) return null;
  const found = await api.invoices.retrieve(id).catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  return found === null || found.deleted ? null : found;
}

/** The invoice in Stripe that was made for ours, if there is one. Lists, unlike searches, are never behind. */
export async function findStripeInvoice(
  api: Stripe,
  { id, stripe_customer_id: customer, created_at }: InvoiceRow,
): Promise<Stripe.Invoice | null> {
  if (customer === null) return null;
  const since = seconds(new Date(created_at.getTime() - CLOCK_DIFFERENCE));
  try {
    const list = api.invoices.list({ customer, created: { gte: since }, limit: 100 });
    for await (const one of list) if (one.metadata?.["licentric_invoice_id"] === id) return one;
  } catch (error) {
    // The customer went, and his drafts with him.
    if (!isMissing(error)) throw error;
  }
  return null;
}

/** Removes a draft; one that is gone already is as good. */
export async function deleteDraft(api: Stripe, stripeInvoiceId: string): Promise<void> {
  try {
    await api.invoices.del(stripeInvoiceId);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** @throws {ApiError} `CONFLICT` where what is on it in Stripe is not what is to be billed. One that is void bills nothing. */
export function requireWhole(invoice: InvoiceRow, { id, status, subtotal }: Stripe.Invoice): void {
  if (status === "void" || subtotal === stripeAmount(sumOfItems(invoice), invoice.currency)) return;
  throw new ApiError(
    "CONFLICT",
    status === "draft"
      ? "The draft in Stripe does not add up to this invoice: somebody changed it there. Nothing was finalized. Put the draft right, or void this invoice and create it again."
      : "The invoice in Stripe does not add up to this one: somebody finalized it there before it was whole. Void this invoice and create it again.",
    { invoiceId: invoice.id, stripeInvoiceId: id, total: invoice.total },
  );
}

/** An amount in the smallest unit that Stripe counts the currency in. */
export function stripeAmount(amountMinor: number, currency: string): number {
  return amountMinor * currencyRule(currency).stripeFactor;
}
