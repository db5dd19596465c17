import type { Price } from "@licentric/contract";
import Big from "big.js";
import { currencyRule } from "./currency.ts";

/** The units of a period that a price leaves free of charge, where nothing is counted by days. */
export function freeInPeriod({ includedQuantity, allowance }: Price): bigint {
  return BigInt(includedQuantity ?? (allowance?.every === "period" ? allowance.quantity : 0));
}

/**
 * The exact cost of a quantity, before any rounding. No usage costs nothing, whatever the minimum.
 *
 * @param free units of it that are free of charge; those of {@link freeInPeriod} by default.
 */
export function exactCost(price: Price, quantity: bigint, free = freeInPeriod(price)): Big {
  if (quantity === 0n) return new Big(0);
  const charged = quantity - free;
  const cost = charged > 0n ? costOf(price, charged) : new Big(0);
  const minimum = new Big(price.minimumAmount ?? 0);
  return cost.lt(minimum) ? minimum : cost;
}

/** Returns the cost of a quantity that is more than zero. */
function costOf(price: Price, quantity: bigint): Big {
  switch (price.model) {
    case "per_unit":
      return timesUnits(price.unitPrice, quantity);
    case "package": {
      const size = BigInt(price.packageSize);
      return timesUnits(price.packagePrice, (quantity + size - 1n) / size);
    }
    case "volume": {
      const tier = price.tiers.find(({ upTo }) => upTo === null || quantity <= upTo);
      if (tier === undefined) return new Big(0);
      return timesUnits(tier.unitPrice, quantity).plus(tier.flatPrice ?? 0);
    }
    case "graduated": {
      let below = 0n;
      let cost = new Big(0);
      for (const { upTo, unitPrice, flatPrice } of price.tiers) {
        if (quantity <= below) break;
        const end = upTo === null || quantity < upTo ? quantity : BigInt(upTo);
        cost = cost.plus(timesUnits(unitPrice, end - below)).plus(flatPrice ?? 0);
        below = end;
      }
      return cost;
    }
  }
}

function timesUnits(price: string, units: bigint): Big {
  return new Big(price).times(units.toString());
}

/** A rounded amount of money. */
export interface Amount {
  /** A decimal text, exact however large the amount is. */
  readonly amount: string;
  /** The same as a whole number of the currency's minor unit; beyond 2^53 - 1 the nearest number. */
  readonly amountMinor: number;
}

/** Rounds an exact cost once, half up, to what the currency can pay. */
export function roundToCurrency(cost: Big, currency: string): Amount {
  const { digits, step } = currencyRule(currency);
  const minor = cost.times(new Big(10).pow(digits)).div(step).round(0, Big.roundHalfUp).times(step);
  return {
    amount: minor.div(new Big(10).pow(digits)).toFixed(digits),
    amountMinor: Number(minor.toFixed()),
  };
}

/** A whole number of the currency's minor unit as a decimal text: 1250 cents are "12.50". */
export function minorToDecimal(amountMinor: number | string, currency: string): string {
  const { digits } = currencyRule(currency);
  return new Big(amountMinor).div(new Big(10).pow(digits)).toFixed(digits);
}

/** Adds amounts up. */
export function sumAmounts(amounts: readonly Amount[], currency: string): Amount {
  const total = amounts.reduce((sum, { amount }) => sum.plus(amount), new Big(0));
  return roundToCurrency(total, currency);
}
