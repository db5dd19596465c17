import type { AgentPrice } from "@licentric/paywall/adapter";

/**
 * Returns what a unit of a meter costs in a few words, such as `0.25 USD per page, the first 100 of a day free`; undefined for a
 * meter that costs nothing.
 *
 * @param listed - the meter's entry in the price list that holds for the caller
 * @example
 * ```ts
 * priceText({ unit: "page", currency: "usd", price: { model: "per_unit", unitPrice: "0.25" } }); // 0.25 USD per page
 * ```
 */
export function priceText({
  price,
  unit,
  currency,
}: Pick<AgentPrice, "price" | "unit" | "currency">): string | undefined {
  if (price === null) return undefined;
  const code = currency.toUpperCase();
  const parts = [modelText(price, unit, code)];
  const { quantity, every } = price.allowance ?? { quantity: price.includedQuantity, every: "period" };
  if (quantity) parts.push(`the first ${quantity} of a ${every} free`);
  if (price.minimumAmount !== undefined) parts.push(`at least ${price.minimumAmount} ${code} a period`);
  return parts.join(", ");
}

function modelText(price: NonNullable<AgentPrice["price"]>, unit: string, currency: string): string {
  switch (price.model) {
    case "per_unit":
      return `${price.unitPrice} ${currency} per ${unit}`;
    case "package":
      return `${price.packagePrice} ${currency} per ${price.packageSize} (${unit})`;
    case "graduated":
    case "volume": {
      const tiers = price.tiers.map(({ upTo, unitPrice, flatPrice }) => {
        const flat = flatPrice === undefined ? "" : ` and ${flatPrice} ${currency} once`;
        return `${unitPrice} ${currency}${flat} ${upTo === null ? "beyond" : `up to ${upTo}`}`;
      });
      const scope = price.model === "graduated" ? "each" : "all";
      return `per ${unit}, ${scope} by a period's quantity: ${tiers.join("; ")}`;
    }
  }
}
