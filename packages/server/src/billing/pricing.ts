import type { Price } from "@licentric/contract";
import Big from "big.js";
import { exactInteger } from "../exact-integer.ts";
import { currencyRule } from "./currency.ts";

/** The exact cost of a quantity, before any rounding. No usage costs nothing, whatever the minimum. */
export function exactCost(price: Price, quantity: number): Big {
  if (quantity === 0) return new Big(0);
  const charged = Math.max(0, quantity - (price.includedQuantity ?? 0));
  const cost = costOf(price, charged);
  const minimum = new Big(price.minimumAmount ?? 0);
  return cost.lt(minimum) ? minimum : cost;
}

function costOf(price: Price, quantity: number): Big {
  switch (price.model) {
    case "per_unit":
      return new Big(price.unitPrice).times(quantity);
    case "package":
      return new Big(price.packagePrice).times(Math.ceil(quantity / price.packageSize));
    case "volume": {
      const tier = price.tiers.find(({ upTo }) => upTo === null || quantity <= upTo);
      if (tier === undefined || quantity === 0) return new Big(0);
      return new Big(tier.unitPrice).times(quantity).plus(tier.flatPrice ?? 0);
    }
    case "graduated": {
      let below = 0;
      let cost = new Big(0);
      for (const { upTo, unitPrice, flatPrice } of price.tiers) {
        if (quantity <= below) break;
        const inTier = Math.min(quantity, upTo ?? quantity) - below;
        cost = cost.plus(new Big(unitPrice).times(inTier)).plus(flatPrice ?? 0);
        below = upTo ?? quantity;
      }
      return cost;
    }
  }
}

/** A rounded amount of money: as a decimal text, and as a whole number of the currency's minor unit. */
export interface Amount {
  readonly amount: string;
  readonly amountMinor: number;
}

/**
 * Rounds an exact cost once, half up, to what the currency can pay.
 *
 * @throws {InexactNumberError} when it is more of the minor unit than a number holds exactly.
 */
export function roundToCurrency(cost: Big, currency: string): Amount {
  const { digits, step } = currencyRule(currency);
  const minor = cost.times(new Big(10).pow(digits)).div(step).round(0, Big.roundHalfUp).times(step);
  return {
    amount: minor.div(new Big(10).pow(digits)).toFixed(digits),
    amountMinor: exactInteger(minor.toFixed()),
  };
}

/** A whole number of the currency's minor unit as a decimal text: 1250 cents are "12.50". */
export function minorToDecimal(amountMinor: number, currency: string): string {
  const { digits } = currencyRule(currency);
  return new Big(amountMinor).div(new Big(10).pow(digits)).toFixed(digits);
}

/** Adds amounts up. */
export function sumAmounts(amounts: readonly Amount[], currency: string): Amount {
  const total = amounts.reduce((sum, { amount }) => sum.plus(amount), new Big(0));
  return roundToCurrency(total, currency);
}
