import type { InvoiceLine, Price } from "@licentric/contract";
import Big from "big.js";
import { summedQuantity } from "../exact-integer.ts";
import { type QuantityParts, shownParts } from "./period-quantities.ts";
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
  /** Units of the quantity that the price's allowance leaves free; undefined where it has none. */
  readonly free: bigint | undefined;
  /** True where the price is the customer's own. */
  readonly isOwnPrice: boolean;
}

/** The exact cost of a payer's usage of one meter, before the line is rounded. */
export function lineCost({ quantity, price, free }: Pick<BilledUsage, "quantity" | "price" | "free">): Big {
  return price === null ? new Big(0) : exactCost(price, BigInt(quantity), free);
}

/** One line per meter: quantity × price, rounded once. */
export function invoiceLines(usage: readonly BilledUsage[], currency: string): InvoiceLine[] {
  return usage.map(({ meterName, displayName, quantity, parts, price, free, isOwnPrice }) => ({
    meterName,
    description: displayName,
    ...summedQuantity(quantity),
    ...(parts && { parts }),
    ...(price?.allowance && { allowance: { ...price.allowance, free: String(free ?? 0) } }),
    unitPrice: price?.model === "per_unit" ? price.unitPrice : null,
    ...(isOwnPrice && { ownPrice: true as const }),
    ...roundToCurrency(lineCost({ quantity, price, free }), currency),
  }));
}

/** The parts of a line's quantity, and its units that are free of charge: `100 used, -30 adjusted, 20 free`. */
export function shownDetails({ parts, allowance }: Pick<InvoiceLine, "parts" | "allowance">): string {
  const free = allowance === undefined ? [] : [`${allowance.free} free`];
  return [...(parts === undefined ? [] : [shownParts(parts)]), ...free].join(", ");
}

/** A line's quantity, digit by digit. */
export function shownQuantity({
  quantity,
  quantityDecimal,
}: Pick<InvoiceLine, "quantity" | "quantityDecimal">): string {
  return quantityDecimal ?? String(quantity);
}
