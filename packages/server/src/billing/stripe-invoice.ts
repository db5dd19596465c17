import Big from "big.js";
import type Stripe from "stripe";
import { ApiError } from "../http/api-error.ts";
import { currencyRule } from "./currency.ts";
import { itemsOf, keyOfItem } from "./invoice-items.ts";
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

/** A line on which an invoice and Stripe's do not agree. */
export interface LineDifference {
  /** null for a line that is of no meter of ours. */
  readonly meterName: string | null;
  readonly what: string;
  readonly expected: string | number;
  readonly found: string | number;
}

/** Compares the lines, in the smallest unit that Stripe counts the currency in. */
export async function lineDifferences(
  api: Stripe,
  invoice: InvoiceRow,
  found: Stripe.Invoice,
): Promise<LineDifference[]> {
  const left = new Map(
    itemsOf(invoice).map(({ key, meterName, amountMinor }) => [
      key,
      { meterName, amount: stripeAmount(amountMinor, invoice.currency) },
    ]),
  );
  const differences: LineDifference[] = [];
  for (const line of await linesInStripe(api, found)) {
    const key = keyOfItem(line.metadata);
    const expected = key === null ? undefined : left.get(key);
    if (key !== null) left.delete(key);
    if (expected?.amount === line.amount) continue;
    differences.push({
      meterName: expected?.meterName ?? line.metadata["licentric_meter"] ?? null,
      what: `line ${line.id}`,
      expected: expected?.amount ?? "none",
      found: line.amount,
    });
  }
  for (const [key, { meterName, amount }] of left) {
    const what = meterName === null ? `line of the ${key.slice(1)}` : "line";
    differences.push({ meterName, what, expected: amount, found: "none" });
  }
  return differences;
}

/** The lines of an invoice in Stripe, in their order: an invoice has the first ones in itself, the others are listed. */
async function linesInStripe(api: Stripe, { id, lines }: Stripe.Invoice): Promise<Stripe.InvoiceLineItem[]> {
  if (!lines.has_more) return lines.data;
  const all: Stripe.InvoiceLineItem[] = [];
  for await (const line of api.invoices.listLineItems(id, { limit: 100 })) all.push(line);
  return all;
}

/** @throws {ApiError} `CONFLICT` where what is on the draft is not what is to be billed. */
export async function requireWhole(api: Stripe, invoice: InvoiceRow, draft: Stripe.Invoice): Promise<void> {
  if ((await lineDifferences(api, invoice, draft)).length === 0) return;
  throw new ApiError(
    "CONFLICT",
    "The draft in Stripe does not add up to this invoice: somebody changed it there. Nothing was finalized. Put the draft right, or void this invoice and create it again.",
    { invoiceId: invoice.id, stripeInvoiceId: draft.id, total: invoice.total },
  );
}

/** An amount in the smallest unit that Stripe counts the currency in. */
export function stripeAmount(amountMinor: number, currency: string): number {
  return amountMinor * currencyRule(currency).stripeFactor;
}

/** The same the other way round: a decimal string in the currency's own unit. */
export function stripeDecimal(amount: number, currency: string): string {
  const { digits, stripeFactor } = currencyRule(currency);
  const exact = new Big(amount).div(stripeFactor).div(new Big(10).pow(digits));
  // Of some currencies, Stripe has amounts that nobody can pay: they are told as they are.
  return exact.round(digits).eq(exact) ? exact.toFixed(digits) : exact.toFixed();
}
