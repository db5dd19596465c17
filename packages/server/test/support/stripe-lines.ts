import {
  allOf,
  allow,
  metadataOf,
  nested,
  type Params,
  referTo,
  type StripeObject,
  type StripeStore,
} from "./stripe-objects.ts";
import { LARGEST_AMOUNT, MOST_ITEMS, STRIPE_RULES as RULES, refusalOf } from "./stripe-rules.ts";

/** The items of an invoice, oldest first. */
export const itemsOf = (store: StripeStore, invoice: string) =>
  allOf(store, "invoiceitem").filter((item) => item["invoice"] === invoice);

/** How many lines an invoice has in itself; the others are listed. */
const LINES_IN_INVOICE = 10;

/** An invoice with its sums and its first lines. */
export const withTotal = (store: StripeStore, invoice: StripeObject) => {
  const subtotal = itemsOf(store, invoice.id).reduce((sum, item) => sum + item["amount"], 0);
  const lines = linesOf(store, invoice.id);
  return Object.assign(invoice, {
    subtotal,
    total: subtotal,
    amount_due: subtotal,
    lines: {
      object: "list",
      url: `/v1/invoices/${invoice.id}/lines`,
      data: lines.slice(0, LINES_IN_INVOICE),
      has_more: lines.length > LINES_IN_INVOICE,
    },
  });
};

/** Items that were added after the invoice was made stand "in chronological order" (`lines` of Invoices.d.ts). */
export const linesOf = (store: StripeStore, invoice: string): StripeObject[] =>
  itemsOf(store, invoice).map((item) => ({
    id: item.id.replace(/^ii_/, "il_"),
    object: "line_item",
    created: item.created,
    metadata: item.metadata,
    invoice,
    amount: item["amount"],
    currency: item["currency"],
    description: item["description"],
    discountable: item["discountable"],
    period: item["period"],
    parent: { type: "invoice_item_details", invoice_item_details: { invoice_item: item.id } },
  }));

function itemMembers(invoice: StripeObject, params: Params): object {
  const amount = Number(params["amount"]);
  if (!Number.isSafeInteger(amount) || Math.abs(amount) > LARGEST_AMOUNT)
    throw refusalOf(RULES.largestAmount);
  if (invoice["automatic_tax"].enabled && params["tax_behavior"] === undefined)
    throw refusalOf(RULES.taxBehavior);
  const period = nested(params, "period");
  return {
    invoice: invoice.id,
    customer: invoice["customer"],
    currency: params["currency"] ?? invoice["currency"],
    amount,
    discountable: params["discountable"] === "true",
    tax_behavior: params["tax_behavior"] ?? "unspecified",
    description: params["description"],
    period: { start: Number(period["start"] ?? 0), end: Number(period["end"] ?? 0) },
  };
}

/** Adds one item to a draft. */
export function createItem(store: StripeStore, params: Params): StripeObject {
  const invoice = referTo(store, params["invoice"] ?? "", "invoice");
  allow(invoice, ["draft"]);
  if (itemsOf(store, invoice.id).length >= MOST_ITEMS) throw refusalOf(RULES.items);
  const members = itemMembers(invoice, params);
  return store.create("invoiceitem", "ii", params, { metadata: metadataOf(params), ...members });
}
