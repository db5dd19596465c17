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

/** Usage that is about to be recorded or held. */
export interface NewUse {
  readonly meterName: string;
  readonly quantity: number;
  /** True where it is only held. False by default. */
  readonly isHeld?: boolean;
}

/**
 * The amount that usage adds to the bills of its periods, exactly: with tiers, that of all usage less that of what was
 * before. A hold may be billed in part, or given back, so it counts with the most that can come of it.
 */
export function costOf(meters: readonly MeterUse[], { withHeld }: { readonly withHeld: boolean }): Big {
  return withHeld ? totalWithHeld(meters) : totalRecorded(meters);
}

/** Computes once for each value: a call changes one meter of many, and asks several times what they cost. */
function once<Value extends object>(compute: (value: Value) => Big): (value: Value) => Big {
  const known = new WeakMap<Value, Big>();
  return (value) => {
    const result = known.get(value) ?? compute(value);
    known.set(value, result);
    return result;
  };
}

const NOTHING = new Big(0);

const totalBy = (costOfOne: (use: MeterUse) => Big) =>
  once((meters: readonly MeterUse[]) =>
    meters.reduce((sum, use) => {
      const cost = costOfOne(use);
      return cost.eq(NOTHING) ? sum : sum.plus(cost);
    }, NOTHING),
  );

const totalRecorded = totalBy(once((use) => addedCost(use, 0n)));
const totalWithHeld = totalBy(once((use) => addedCost(use, use.held)));

function addedCost({ price, before, recorded }: MeterUse, held: bigint): Big {
  const least = before + recorded;
  const most = least + held;
  if (price === null || most === before) return NOTHING;
  return highestCost(price, least, most).minus(exactCost(price, before));
}

/** The highest cost of any quantity from `least` to `most`. By volume, the last unit of a tier may cost more than the next. */
function highestCost(price: Price, least: bigint, most: bigint): Big {
  const tiers = price.model === "volume" && least < most ? price.tiers : [];
  return tiers
    .map(({ upTo }) => (upTo === null ? most : BigInt(upTo) + BigInt(price.includedQuantity ?? 0)))
    .filter((end) => end > least && end < most)
    .map((end) => exactCost(price, end))
    .concat(exactCost(price, least))
    .reduce((highest, cost) => (cost.gt(highest) ? cost : highest), exactCost(price, most));
}

/** Adds usage of a meter that is recorded, or held, now. */
export function addUse(
  meters: readonly MeterUse[],
  { meterName, quantity, isHeld = false }: NewUse,
): MeterUse[] {
  const part = isHeld ? "held" : "recorded";
  return meters.map((use) =>
    use.isRunning && use.meterName === meterName ? { ...use, [part]: use[part] + BigInt(quantity) } : use,
  );
}
