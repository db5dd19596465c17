import type { AgentBudget, Budget, BudgetState } from "@licentric/contract";
import Big from "big.js";
import { currencyRule } from "../billing/currency.ts";
import { addToDay, addUse, costOf, type MeterUse, type NewUse } from "./budget-costs.ts";

interface BudgetBase {
  readonly id: string;
  readonly environmentId: string;
  /** The agent whose use it limits; null: it is a customer's, whose agents use it together. */
  readonly agentId: string | null;
  readonly customerId: string | null;
  readonly window: Budget["window"];
  readonly warnAtPercent: number;
  /** True where the budget applies whatever the caller says. */
  readonly enforced: boolean;
  /** Names the window that runs now: a day, a period's id, or `total`; null: the period has yet to begin. */
  readonly windowKey: string | null;
  readonly resetsAt: Date | null;
  /** The windows in which the thresholds were passed last. */
  readonly warnedWindow: string | null;
  readonly exceededWindow: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A budget in units of one meter, with what is used of it in the window that runs now. */
export interface UnitBudget extends BudgetBase {
  readonly kind: "units";
  readonly meterName: string;
  readonly limit: number;
  /** The meter's limit for one call: more never gets as far as the budget. */
  readonly maxQuantityPerCall: number;
  /** Quantity recorded in the window. */
  readonly recorded: number;
  /** Quantity held by reservations that have not lapsed. It will be recorded in whatever window runs then. */
  readonly held: number;
}

/** A budget in money, with what is used under it in the window that runs now. */
export interface MoneyBudget extends BudgetBase {
  readonly kind: "money";
  /** null: it is for all meters. */
  readonly meterName: string | null;
  /** A decimal text, in the currency that the running period is billed in. */
  readonly limit: string;
  readonly currency: string;
  readonly meters: readonly MeterUse[];
}

/** A budget with what is used of it in the window that runs now. */
export type BudgetUse = UnitBudget | MoneyBudget;

/** Checks whether a billing period must be opened before anything is checked against a budget. */
export function needsPeriod(budget: BudgetUse): boolean {
  if (budget.windowKey === null) return true;
  return budget.kind === "money" && !budget.meters.some(({ isRunning }) => isRunning);
}

/** A budget's status, by what is recorded and held. */
export function budgetStatus(budget: BudgetUse): BudgetState["status"] {
  return statusOf(budget, usedOf(budget));
}

/** A budget's status by what is recorded alone: what is held may be given back. */
export function recordedStatus(budget: BudgetUse): BudgetState["status"] {
  return statusOf(budget, recordedOf(budget));
}

function statusOf(budget: BudgetUse, used: Big): BudgetState["status"] {
  const limit = limitOf(budget);
  if (used.gte(limit)) return "exceeded";
  return used.times(100).gte(limit.times(budget.warnAtPercent)) ? "warning" : "ok";
}

/**
 * The state that a call is told of.
 *
 * @param meterName the meter of the call, where the budget is for all.
 */
export function budgetState(budget: BudgetUse, meterName: string): BudgetState & { resetsAt: string | null } {
  return { meterName: budget.meterName ?? meterName, ...standing(budget) };
}

/** The standing of a budget, whatever the meter. */
function standing(budget: BudgetUse) {
  return {
    ...(budget.kind === "units" ? unitsOf(budget) : minorUnitsOf(budget)),
    status: budgetStatus(budget),
    resetsAt: budget.resetsAt?.toISOString() ?? null,
    ...(budget.customerId !== null && { shared: true as const }),
  };
}

function unitsOf({ limit, recorded, held }: UnitBudget) {
  const used = Math.min(recorded + held, Number.MAX_SAFE_INTEGER);
  return { limit, used, remaining: Math.max(0, limit - used) };
}

/** Amounts in minor units. What is used is rounded up, and what is left down: it is never told as more than there is. */
function minorUnitsOf(budget: MoneyBudget) {
  const { currency } = budget;
  const [limit, used] = [limitOf(budget), atLeastZero(usedOf(budget))];
  const remaining = atLeastZero(limit.minus(used));
  const minor = (amount: Big, mode: typeof Big.roundUp | typeof Big.roundDown) => {
    const { digits } = currencyRule(currency);
    const whole = Number(amount.times(new Big(10).pow(digits)).round(0, mode).toFixed());
    return Math.min(whole, Number.MAX_SAFE_INTEGER);
  };
  return {
    limit: minor(limit, Big.roundDown),
    used: minor(used, Big.roundUp),
    remaining: minor(remaining, Big.roundDown),
    amounts: { currency, limit: budget.limit, used: used.toFixed(), remaining: remaining.toFixed() },
  };
}

const atLeastZero = (amount: Big) => (amount.lt(0) ? new Big(0) : amount);

/** A budget as it is answered. */
export function toBudget(budget: BudgetUse): Budget {
  return {
    id: budget.id,
    agentId: budget.agentId,
    customerId: budget.customerId,
    ...toAgentBudget(budget),
    warnAtPercent: budget.warnAtPercent,
    createdAt: budget.createdAt.toISOString(),
    updatedAt: budget.updatedAt.toISOString(),
  };
}

/** A budget without what the owner has for itself, such as ids and the moment of a warning. */
export function toAgentBudget(budget: BudgetUse): AgentBudget {
  const { meterName, window, enforced } = budget;
  return { meterName, ...standing(budget), window, enforced };
}

function limitOf({ limit }: BudgetUse): Big {
  return new Big(limit);
}

/** Recorded and held together: units, or an exact amount of money. */
export function usedOf(budget: BudgetUse): Big {
  return budget.kind === "units"
    ? new Big(budget.recorded).plus(budget.held)
    : costOf(budget.meters, { withHeld: true });
}

function recordedOf(budget: BudgetUse): Big {
  return budget.kind === "units" ? new Big(budget.recorded) : costOf(budget.meters, { withHeld: false });
}

/** Checks whether more is used than the limit. */
export function isOver(budget: BudgetUse): boolean {
  return usedOf(budget).gt(limitOf(budget));
}

/** A budget after usage of now. */
export function adding(budget: BudgetUse, use: NewUse): BudgetUse {
  if (budget.kind === "units") return { ...budget, recorded: budget.recorded + use.quantity };
  return { ...budget, meters: addUse(budget.meters, use) };
}

/** The part of a budget that usage of now would take: units, or an exact amount of money. */
export function takes(budget: BudgetUse, use: NewUse): Big {
  return usedOf(adding(budget, use)).minus(usedOf(budget));
}

/** The meter's limit for one call, where the budget is about the meter; else null. */
export function callLimitOf(budget: BudgetUse, meterName: string): number | null {
  if (budget.kind === "units") return budget.maxQuantityPerCall;
  return budget.meters.find((use) => use.meterName === meterName)?.maxQuantityPerCall ?? null;
}

/**
 * The budget that stops a call first: the one with the least left and, of equals, the one that starts again last. Of one
 * in units and one in money it is the one of which the smaller share is left. undefined where there is none.
 */
export function tightest(budgets: readonly BudgetUse[]): BudgetUse | undefined {
  const units = leastLeft(budgets.filter(({ kind }) => kind === "units"));
  const money = leastLeft(budgets.filter(({ kind }) => kind === "money"));
  if (units === undefined || money === undefined) return units ?? money;
  return leftOf(money)
    .times(limitOf(units))
    .lt(leftOf(units).times(limitOf(money)))
    ? money
    : units;
}

const leftOf = (budget: BudgetUse) => limitOf(budget).minus(usedOf(budget));

function leastLeft(budgets: readonly BudgetUse[]): BudgetUse | undefined {
  const reset = ({ resetsAt }: BudgetUse) => resetsAt?.getTime() ?? Number.POSITIVE_INFINITY;
  return budgets.reduce<BudgetUse | undefined>((best, budget) => {
    if (best === undefined || leftOf(budget).lt(leftOf(best))) return budget;
    return leftOf(budget).eq(leftOf(best)) && reset(budget) > reset(best) ? budget : best;
  }, undefined);
}

/** The budgets that usage does not fit into. What costs nothing fits into every budget in money. */
export function refusing(budgets: readonly BudgetUse[], use: NewUse): BudgetUse[] {
  return budgets.filter((budget) => {
    const after = adding(budget, use);
    return isOver(after) && usedOf(after).gt(usedOf(budget));
  });
}

/** Checks whether usage needs more than the whole of a budget: then waiting does not help. */
export function isTooLarge(budget: BudgetUse, use: NewUse): boolean {
  return takes(budget, use).gt(limitOf(budget));
}

/**
 * Of the budgets that usage does not fit into, the one that makes it wait longest: for ever, where its whole limit
 * is less or it never starts again. Of equals, the one with the least left. undefined where it fits into all.
 */
export function longestRefusing(budgets: readonly BudgetUse[], use: NewUse): BudgetUse | undefined {
  const refusals = refusing(budgets, use);
  const until = (budget: BudgetUse) =>
    budget.resetsAt === null || isTooLarge(budget, use)
      ? Number.POSITIVE_INFINITY
      : budget.resetsAt.getTime();
  const last = Math.max(...refusals.map(until));
  return tightest(refusals.filter((budget) => until(budget) === last));
}

/** A budget after usage was recorded; usage of another window takes nothing of it. */
export function afterRecording(
  budget: BudgetUse,
  usage: NewUse & { readonly periodId: string; readonly day: string },
): BudgetUse {
  const windowKey = { day: usage.day, period: usage.periodId, total: "total" }[budget.window];
  const isInside = windowKey === budget.windowKey;
  if (budget.kind === "units") {
    return isInside ? { ...budget, recorded: budget.recorded + usage.quantity } : budget;
  }
  const quantity = BigInt(usage.quantity);
  const isOf = (use: MeterUse) => use.meterName === usage.meterName && use.periodId === usage.periodId;
  if (!budget.meters.some(isOf)) return budget;
  const meters = budget.meters.map((use) => {
    if (!isOf(use)) return use;
    const days = addToDay(use, usage.day, quantity);
    return isInside
      ? { ...use, days, recorded: use.recorded + quantity }
      : { ...use, days, before: use.before + quantity };
  });
  return { ...budget, meters };
}

/**
 * The thresholds that recorded usage has reached in this window and that were not told of in it yet. What is only
 * held counts for a call and not here: it may be given back.
 */
export function thresholdsToTell(budget: BudgetUse): ("warning" | "exceeded")[] {
  const status = recordedStatus(budget);
  const { windowKey, warnedWindow, exceededWindow } = budget;
  if (status === "ok" || windowKey === null) return [];
  return [
    ...(warnedWindow === windowKey ? [] : (["warning"] as const)),
    ...(status === "exceeded" && exceededWindow !== windowKey ? (["exceeded"] as const) : []),
  ];
}

/** Target of a call's usage, which determines the budgets that apply. */
export interface BudgetTarget {
  readonly environmentId: string;
  readonly agentId: string;
  readonly meterName: string;
}

/** Returns a key that is the same for targets to which the same budgets apply. */
export function budgetKey({ environmentId, agentId, meterName }: BudgetTarget): string {
  return `${environmentId} ${agentId} ${meterName}`;
}

/** The budgets that apply to targets. Agents of one customer share budgets. */
export interface ApplyingBudgets {
  /** Each budget once, by its id. */
  readonly uses: ReadonlyMap<string, BudgetUse>;
  /** The ids of the budgets that apply to a target, by its {@link budgetKey}. */
  readonly idsFor: ReadonlyMap<string, readonly string[]>;
}

/** Returns the budgets that apply to a target. @param uses those of {@link ApplyingBudgets}, as they stand. */
export function applyingBudgets(
  target: BudgetTarget,
  idsFor: ApplyingBudgets["idsFor"],
  uses: ApplyingBudgets["uses"],
): BudgetUse[] {
  const ids = idsFor.get(budgetKey(target)) ?? [];
  return ids.flatMap((id) => uses.get(id) ?? []);
}
