import type { Price } from "@licentric/sdk";

/** A price in a few words, for example `0.01 per unit, 100 free`. */
export function shownPrice(price: Price | null): string | null {
  if (price === null) return null;
  const parts = [modelText(price)];
  if (price.includedQuantity) parts.push(`${price.includedQuantity} free`);
  if (price.allowance) parts.push(`${price.allowance.quantity} free a ${price.allowance.every}`);
  if (price.minimumAmount !== undefined) parts.push(`at least ${price.minimumAmount}`);
  return parts.join(", ");
}

/** The price of one unit on a line; where it is the customer's own, it says so. */
export function shownUnitPrice({
  unitPrice,
  ownPrice,
}: {
  readonly unitPrice: string | null;
  readonly ownPrice?: true | undefined;
}): string | null {
  if (ownPrice !== true) return unitPrice;
  return unitPrice === null ? "own price" : `${unitPrice} (own)`;
}

function modelText(price: Price): string {
  switch (price.model) {
    case "per_unit":
      return `${price.unitPrice} per unit`;
    case "package":
      return `${price.packagePrice} per ${price.packageSize}`;
    case "graduated":
    case "volume":
      return `${price.model}: ${price.tiers.map(tierText).join(" / ")}`;
  }
}

function tierText(tier: Extract<Price, { model: "volume" }>["tiers"][number]): string {
  const flat = tier.flatPrice === undefined ? "" : ` + ${tier.flatPrice}`;
  return `${tier.upTo === null ? "then" : `to ${tier.upTo}`} ${tier.unitPrice}${flat}`;
}
