import type { InvoiceLine, Price } from "@licentric/contract";
import Big from "big.js";
import { summedQuantity } from "../exact-integer.ts";
import type { QuantityParts } from "./period-quantities.ts";
import { exactCost, roundToCurrency } from "./pricing.ts";

/** The quantity that a period bills the payer of one meter, with its price. */
export interface BilledUsage {
  readonly meterName: string;
  readonly displayName: string;
  /** A whole number as the database writes it: it may be more than a number holds. */
  readonly quantity: string;
  /** undefined where no adjustment concerns it. */
  readonly parts: QuantityParts | undefined;
  /** null: counted and not charged. */
  readonly price: Price | null;
  /** True where the price is the customer's own. */
  readonly isOwnPrice: boolean;
}

/** The exact cost of a payer's usage of one meter, before the line is rounded. */
export function lineCost({ quantity, price }: Pick<BilledUsage, "quantity" | "price">): Big {
  return price === null ? new Big(0) : exactCost(price, BigInt(quantity));
}

/** One line per meter: quantity × price, rounded once. */
export function invoiceLines(usage: readonly BilledUsage[], currency: string): InvoiceLine[] {
  return usage.map(({ meterName, displayName, quantity, parts, price, isOwnPrice }) => ({
    meterName,
    description: displayName,
    ...summedQuantity(quantity),
    ...(parts && { parts }),
    unitPrice: price?.model === "per_unit" ? price.unitPrice : null,
    ...(isOwnPrice && { ownPrice: true as const }),
    ...roundToCurrency(lineCost({ quantity, price }), currency),
  }));
}

/** A line's quantity, digit by digit. */
export function shownQuantity({
  quantity,
  quantityDecimal,
}: Pick<InvoiceLine, "quantity" | "quantityDecimal">): string {
  return quantityDecimal ?? String(quantity);
}
