import type { Price } from "@licentric/contract";
import Big from "big.js";
import { exactCost } from "../billing/pricing.ts";

/** The usage of a meter in a billing period, as a budget in money counts it. */
export interface MeterUse {
  readonly meterName: string;
  /** The meter's limit for one call. */
  readonly maxQuantityPerCall: number;
  readonly periodId: string;
  /** True for the period that takes usage now. */
  readonly isRunning: boolean;
  /** The price that the period is billed by; null where the meter has none. */
  readonly price: Price | null;
  /** Quantity of the period that is not in the budget's window: it decides in which tier the window begins. */
  readonly before: bigint;
  /** Quantity recorded in the window. */
  readonly recorded: bigint;
  /** Quantity held by reservations, which will be recorded in the running period. */
  readonly held: bigint;
}

/** The amount that usage adds to the bills of its periods, exactly: with tiers, that of all usage less that of what was before. */
export function costOf(meters: readonly MeterUse[], { withHeld }: { readonly withHeld: boolean }): Big {
  return meters.reduce((sum, { price, before, recorded, held }) => {
    const used = recorded + (withHeld ? held : 0n);
    if (price === null || used === 0n) return sum;
    return sum.plus(exactCost(price, before + used)).minus(exactCost(price, before));
  }, new Big(0));
}

/** Adds usage of a meter that is recorded now. */
export function addUse(meters: readonly MeterUse[], meterName: string, quantity: number): MeterUse[] {
  return meters.map((use) =>
    use.isRunning && use.meterName === meterName
      ? { ...use, recorded: use.recorded + BigInt(quantity) }
      : use,
  );
}
