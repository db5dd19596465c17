import type { Price } from "@licentric/contract";
import Big from "big.js";
import { exactCost, freeInPeriod } from "../billing/pricing.ts";

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
  /** Quantity of the period by days, in its window and before; null where the price has no free units of each day. */
  readonly days: Readonly<Record<string, bigint>> | null;
  /** The day that usage of now is recorded on. */
  readonly today: string;
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

function addedCost(use: MeterUse, held: bigint): Big {
  const { price, before, recorded } = use;
  const quantity = before + recorded;
  if (price === null || quantity + held === before) return NOTHING;
  const least = { quantity, free: freeOf(price, use, 0n) };
  const most = { quantity: quantity + held, free: freeOf(price, use, held) };
  return highestCost(price, least, most).minus(exactCost(price, before, freeBefore(price, use)));
}

/** A quantity and the units of it that are free of charge. */
interface Billed {
  readonly quantity: bigint;
  readonly free: bigint;
}

/** The highest cost of any quantity from `least` to `most`. By volume, the last unit of a tier may cost more than the next. */
function highestCost(price: Price, least: Billed, most: Billed): Big {
  const tiers = price.model === "volume" && least.quantity < most.quantity ? price.tiers : [];
  // Units are charged only once all free ones are used.
  return tiers
    .map(({ upTo }) => (upTo === null ? most.quantity : BigInt(upTo) + most.free))
    .filter((end) => end - most.free > least.quantity - least.free && end < most.quantity)
    .map((end) => exactCost(price, end, most.free))
    .concat(exactCost(price, least.quantity, least.free))
    .reduce(
      (highest, cost) => (cost.gt(highest) ? cost : highest),
      exactCost(price, most.quantity, most.free),
    );
}

/** The units of the period, and of what is held and recorded today, that are free of charge. */
function freeOf(price: Price, use: MeterUse, held: bigint): bigint {
  return freeOnDays(price, use, { ...use.days, [use.today]: (use.days?.[use.today] ?? 0n) + held });
}

/** The units that were free of charge of what was before a window: nothing was, or all days but the one that runs. */
function freeBefore(price: Price, use: MeterUse): bigint {
  return freeOnDays(price, use, { ...use.days, [use.today]: 0n });
}

function freeOnDays(price: Price, { days }: MeterUse, used: Readonly<Record<string, bigint>>): bigint {
  const { allowance } = price;
  if (days === null || allowance?.every !== "day") return freeInPeriod(price);
  const each = BigInt(allowance.quantity);
  return Object.values(used).reduce((free, quantity) => free + (quantity < each ? quantity : each), 0n);
}

/** Adds usage to a day. */
export function addToDay({ days }: Pick<MeterUse, "days">, day: string, quantity: bigint): MeterUse["days"] {
  return days === null ? null : { ...days, [day]: (days[day] ?? 0n) + quantity };
}

/** Adds usage of a meter that is recorded, or held, now. */
export function addUse(
  meters: readonly MeterUse[],
  { meterName, quantity, isHeld = false }: NewUse,
): MeterUse[] {
  const added = BigInt(quantity);
  return meters.map((use) => {
    if (!use.isRunning || use.meterName !== meterName) return use;
    if (isHeld) return { ...use, held: use.held + added };
    return { ...use, recorded: use.recorded + added, days: addToDay(use, use.today, added) };
  });
}
