import type { InvoiceLine } from "@licentric/contract";
import type { AppliedTerms } from "./charges.ts";
import { shownDetails, shownQuantity } from "./invoice-lines.ts";

/** One item of an invoice in Stripe. */
export interface InvoiceItem {
  /** A meter's name, or what no meter is called: `:discount` and `:minimum`. Once for each invoice. */
  readonly key: string;
  /** The meter that it charges; null for a discount and a minimum. */
  readonly meterName: string | null;
  readonly description: string;
  /** Decimal text; negative for a discount. */
  readonly amount: string;
  /** The same in the currency's minor unit. */
  readonly amountMinor: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The parts of an invoice that become items. */
export interface ItemizedInvoice extends AppliedTerms {
  readonly lines: readonly InvoiceLine[];
}

const termKey = (term: string) => `:${term}`;

/** Returns an invoice's items in Stripe: its lines, then the discount, which is negative, and the minimum. */
export function itemsOf({ lines, discount, minimum }: ItemizedInvoice): InvoiceItem[] {
  const items: InvoiceItem[] = lines.map((line) => ({
    key: line.meterName,
    meterName: line.meterName,
    amount: line.amount,
    description: `${line.description} × ${shownQuantity(line)}${inBrackets(shownDetails(line))}`,
    amountMinor: line.amountMinor,
    metadata: { licentric_meter: line.meterName, licentric_quantity: shownQuantity(line) },
  }));
  if (discount !== null) {
    const { description, amount, amountMinor } = discount;
    items.push(termItem("discount", { description, amount: `-${amount}`, amountMinor: -amountMinor }));
  }
  if (minimum !== null) items.push(termItem("minimum", minimum));
  return items;
}

const inBrackets = (details: string) => (details === "" ? "" : ` (${details})`);

function termItem(
  term: "discount" | "minimum",
  { description, amount, amountMinor }: Pick<InvoiceItem, "description" | "amount" | "amountMinor">,
): InvoiceItem {
  return {
    key: termKey(term),
    meterName: null,
    description,
    amount,
    amountMinor,
    metadata: { licentric_term: term },
  };
}

/** The key of an item that is in Stripe, by its metadata; null where it is none of ours. */
export function keyOfItem(metadata: Readonly<Record<string, string>> | null | undefined): string | null {
  const term = metadata?.["licentric_term"];
  return term === undefined ? (metadata?.["licentric_meter"] ?? null) : termKey(term);
}

/** The sum of all items in the currency's minor unit. */
export function sumOfItems(invoice: ItemizedInvoice): number {
  return itemsOf(invoice).reduce((sum, { amountMinor }) => sum + amountMinor, 0);
}
