import type { Budget, BudgetState } from "@licentric/contract";

/** A budget with what is used of it in the window that runs now. */
export interface BudgetUse {
  readonly id: string;
  readonly environmentId: string;
  /** The agent whose use it limits; null: it is a customer's, whose agents use it together. */
  readonly agentId: string | null;
  readonly customerId: string | null;
  readonly meterName: string;
  readonly window: Budget["window"];
  readonly limit: number;
  readonly warnAtPercent: number;
  /** True where the budget applies whatever the caller says. */
  readonly enforced: boolean;
  /** The meter's limit for one call: more never gets as far as the budget. */
  readonly maxQuantityPerCall: number;
  /** Names the window that runs now: a day, a period's id, or `total`; null: the period has yet to begin. */
  readonly windowKey: string | null;
  readonly resetsAt: Date | null;
  /** Quantity recorded in the window. */
  readonly recorded: number;
  /** Quantity held by reservations that have not lapsed. It will be recorded in whatever window runs then. */
  readonly held: number;
  /** The windows in which the thresholds were passed last. */
  readonly warnedWindow: string | null;
  readonly exceededWindow: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A budget's status with so much used of it. */
export function budgetStatus(
  { limit, warnAtPercent }: Pick<BudgetUse, "limit" | "warnAtPercent">,
  used: number,
): BudgetState["status"] {
  if (used >= limit) return "exceeded";
  // Multiplied as big integers: a limit may be near 2^53.
  return BigInt(used) * 100n >= BigInt(limit) * BigInt(warnAtPercent) ? "warning" : "ok";
}

/** The state that a call is told of. */
export function budgetState(budget: BudgetUse): BudgetState & { resetsAt: string | null } {
  const used = usedOf(budget);
  return {
    meterName: budget.meterName,
    limit: budget.limit,
    used,
    remaining: Math.max(0, budget.limit - used),
    status: budgetStatus(budget, used),
    resetsAt: budget.resetsAt?.toISOString() ?? null,
    ...(budget.customerId !== null && { shared: true as const }),
  };
}

/** A budget as it is answered. */
export function toBudget(budget: BudgetUse): Budget {
  return {
    id: budget.id,
    agentId: budget.agentId,
    customerId: budget.customerId,
    ...budgetState(budget),
    window: budget.window,
    warnAtPercent: budget.warnAtPercent,
    enforced: budget.enforced,
    createdAt: budget.createdAt.toISOString(),
    updatedAt: budget.updatedAt.toISOString(),
  };
}

/** Recorded and held together. */
export function usedOf({ recorded, held }: Pick<BudgetUse, "recorded" | "held">): number {
  return Math.min(recorded + held, Number.MAX_SAFE_INTEGER);
}

/**
 * The budget that stops a call first: the one with the least left and, of equals, the one that starts again last.
 * undefined where there is none.
 */
export function tightest(budgets: readonly BudgetUse[]): BudgetUse | undefined {
  const left = (budget: BudgetUse) => budget.limit - usedOf(budget);
  const reset = ({ resetsAt }: BudgetUse) => resetsAt?.getTime() ?? Number.POSITIVE_INFINITY;
  return budgets.reduce<BudgetUse | undefined>((best, budget) => {
    if (best === undefined || left(budget) < left(best)) return budget;
    return left(budget) === left(best) && reset(budget) > reset(best) ? budget : best;
  }, undefined);
}

/** The budgets that a quantity does not fit into. */
export function refusing(budgets: readonly BudgetUse[], quantity: number): BudgetUse[] {
  return budgets.filter((budget) => usedOf(budget) + quantity > budget.limit);
}

/**
 * Of the budgets that a quantity does not fit into, the one that makes it wait longest: for ever, where its whole limit
 * is less or it never starts again. Of equals, the one with the least left. undefined where it fits into all.
 */
export function longestRefusing(budgets: readonly BudgetUse[], quantity: number): BudgetUse | undefined {
  const refusals = refusing(budgets, quantity);
  const until = ({ limit, resetsAt }: BudgetUse) =>
    quantity > limit || resetsAt === null ? Number.POSITIVE_INFINITY : resetsAt.getTime();
  const last = Math.max(...refusals.map(until));
  return tightest(refusals.filter((budget) => until(budget) === last));
}

/** A budget after usage was recorded; usage of another window changes nothing. */
export function afterRecording(
  budget: BudgetUse,
  usage: { readonly quantity: number; readonly periodId: string; readonly day: string },
): BudgetUse {
  const windowKey = { day: usage.day, period: usage.periodId, total: "total" }[budget.window];
  return windowKey === budget.windowKey ? { ...budget, recorded: budget.recorded + usage.quantity } : budget;
}

/**
 * The thresholds that recorded usage has reached in this window and that were not told of in it yet. What is only
 * held counts for a call and not here: it may be given back.
 */
export function thresholdsToTell(budget: BudgetUse): ("warning" | "exceeded")[] {
  const status = budgetStatus(budget, budget.recorded);
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
