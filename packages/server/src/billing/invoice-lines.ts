import type { InvoiceLine, Price } from "@licentric/contract";
import { exactCost, roundToCurrency } from "./pricing.ts";

/** What one meter counted for the payer in the period, with its price. */
export interface BilledUsage {
  readonly meterName: string;
  readonly displayName: string;
  readonly quantity: number;
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
      quantity,
      unitPrice: price?.model === "per_unit" ? price.unitPrice : null,
      ...roundToCurrency(exactCost(price ?? free, quantity), currency),
    };
  });
}
