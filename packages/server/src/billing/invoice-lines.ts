import type { InvoiceLine, Price } from "@licentric/contract";
import { summedQuantity } from "../exact-integer.ts";
import { exactCost, roundToCurrency } from "./pricing.ts";

/** Usage that one meter counted for the payer in the period, with its price. */
export interface BilledUsage {
  readonly meterName: string;
  readonly displayName: string;
  /** A whole number as the database writes it: it may be more than a number holds. */
  readonly quantity: string;
  /** null: counted and not charged. */
  readonly price: Price | null;
}

/** One line per meter: quantity × price, rounded once. */
export function invoiceLines(usage: readonly BilledUsage[], currency: string): InvoiceLine[] {
  return usage.map(({ meterName, displayName, quantity, price }) => {
    const free = { model: "per_unit", unitPrice: "0" } as const;
    return {
      meterName,
      description: displayName,
      ...summedQuantity(quantity),
      unitPrice: price?.model === "per_unit" ? price.unitPrice : null,
      ...roundToCurrency(exactCost(price ?? free, BigInt(quantity)), currency),
    };
  });
}

/** A line's quantity, digit by digit. */
export function shownQuantity({
  quantity,
  quantityDecimal,
}: Pick<InvoiceLine, "quantity" | "quantityDecimal">): string {
  return quantityDecimal ?? String(quantity);
}
