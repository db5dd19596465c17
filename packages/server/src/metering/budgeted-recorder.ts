import type { BudgetState } from "@licentric/contract";
import { createBatcher } from "../batcher.ts";
import { openPeriod } from "../billing/open-period.ts";
import { ApiError } from "../http/api-error.ts";
import type { Queryable } from "../store/database.ts";
import { tellThresholds } from "./budget-alerts.ts";
import {
  afterRecording,
  type BudgetUse,
  budgetState,
  longestRefusing,
  tightest,
  usedOf,
} from "./budget-rules.ts";
import { type BudgetTarget, budgetKey, lockBudgetsFor } from "./budget-use.ts";
import { isolateFaults } from "./isolate-faults.ts";
import { type PendingEvent, recordEvents } from "./record-events.ts";
import {
  explainRefusal,
  isOverCallLimit,
  type Recorded,
  type RecorderOptions,
  recordWith,
} from "./recorder.ts";
import { selectByIdempotencyKey } from "./usage-events.ts";

/** Usage that budgets may apply to. */
export interface BudgetedEvent extends PendingEvent {
  /** The budgets that it must fit into to be recorded: all that apply, those that are marked as enforced, or none. */
  readonly mustFit: "all" | "enforced" | "none";
}

/** Outcome of recording such an event, with the budget that is nearest to its end. */
export interface BudgetedOutcome extends Recorded {
  readonly budget: BudgetState | undefined;
  /** True where it was recorded over a budget that is marked as enforced. */
  readonly overBudget: boolean;
}

/**
 * Makes the recorder for usage that budgets apply to. Check and record are one transaction that holds the budgets'
 * locks, so that what is enforced is exact however many calls and processes there are; usage that came at the same
 * time shares it, in the order of arrival.
 *
 * @returns a function that rejects like the recorder's and, of usage that does not fit where it must, with
 * `BUDGET_EXCEEDED`: then nothing was recorded.
 */
export function createBudgetedRecorder(
  options: RecorderOptions,
): (event: BudgetedEvent) => Promise<BudgetedOutcome> {
  const { db, now, newId } = options;
  const record = (events: readonly BudgetedEvent[]) =>
    db.transaction((tx) => recordWithBudgets(tx, events, { newId, now: now() }), { readsFirst: true });
  return createBatcher<BudgetedEvent, BudgetedOutcome>(
    async (events) => {
      options.onBatch?.(events.length);
      // The window of usage in the past is known only when it is recorded, and what is enforced must know it.
      const [reported, live] = [true, false].map((past) =>
        events.filter(({ occurredAt }) => (occurredAt !== null) === past),
      );
      const outcomes = new Map<BudgetedEvent, BudgetedOutcome | Error>();
      for (const part of [...inParts(reported ?? []), ...inParts(live ?? [])]) {
        const done = await isolateFaults(part, record, explainRefusal);
        for (const [index, event] of part.entries()) {
          const outcome = done[index] ?? new Error("the event has no outcome");
          if (!(outcome instanceof Error)) options.onEvent?.(outcome.duplicate);
          outcomes.set(event, outcome);
        }
      }
      return events.map((event) => outcomes.get(event) ?? new Error("the event has no outcome"));
    },
    // One batch at a time: a second one would wait for the same locks, and could overtake.
    { maxItems: 500, concurrency: 1 },
  );
}

/**
 * Cuts a batch before each event whose idempotency key an earlier one has for another meter: whether that one is
 * recorded is known only afterwards, and decides what this one is.
 */
function inParts(events: readonly BudgetedEvent[]): BudgetedEvent[][] {
  const parts: BudgetedEvent[][] = [];
  let part: BudgetedEvent[] = [];
  const meterOf = new Map<string, string>();
  for (const event of events) {
    const key = keyOf(event);
    if (key !== null && (meterOf.get(key) ?? event.meterName) !== event.meterName) {
      parts.push(part);
      part = [];
      meterOf.clear();
    }
    if (key !== null) meterOf.set(key, event.meterName);
    part.push(event);
  }
  return part.length === 0 ? parts : [...parts, part];
}

function keyOf({ environmentId, agentId, idempotencyKey }: BudgetedEvent): string | null {
  return idempotencyKey === null ? null : `${environmentId} ${agentId} ${idempotencyKey}`;
}

/** Records usage in a transaction, under the locks of the budgets that apply. One outcome for each, in order. */
export async function recordWithBudgets(
  tx: Queryable,
  events: readonly BudgetedEvent[],
  { newId, now }: { readonly newId: () => string; readonly now: Date },
): Promise<(BudgetedOutcome | Error)[]> {
  if (events.length === 0) return [];
  const budgets = await lockBudgets(tx, events, { newId, now });
  const decisions = await decide(tx, events, budgets);
  const admitted = events.filter((_, index) => decisions[index] === null);
  const store = {
    db: tx,
    insert: (part: readonly PendingEvent[], at: Date) => recordEvents(tx, part, at, { budgetsChecked: true }),
    openPeriod: (environmentId: string, at: Date) => openPeriod(tx, environmentId, { newId, now: at }),
  };
  const recorded = await recordWith(store, admitted, () => now);
  const byEvent = new Map(admitted.map((event, index) => [event, recorded[index]]));

  const outcomes = events.map((event, index): BudgetedOutcome | Error => {
    const refusal = decisions[index];
    if (refusal) return refusal;
    const outcome = byEvent.get(event);
    if (outcome === undefined) return new Error("the event has no outcome");
    if (outcome instanceof Error) return outcome;
    const key = budgetKey(event);
    const before = budgets.get(key) ?? [];
    const { day, event: stored } = outcome;
    const usage = day === null ? null : { quantity: stored.quantity, periodId: stored.periodId, day };
    const after = before.map((budget) => (usage === null ? budget : afterRecording(budget, usage)));
    budgets.set(key, after);
    const budget = tightest(after);
    const overBudget = after.some(
      (one, place) => one.enforced && one !== before[place] && usedOf(one) > one.limit,
    );
    return { ...outcome, budget: budget && budgetState(budget), overBudget };
  });
  for (const budget of [...budgets.values()].flat()) await tellThresholds(tx, budget, { newId, now });
  return outcomes;
}

type Budgets = Map<string, BudgetUse[]>;

/**
 * Locks the budgets that apply and makes sure that a period runs: the window of a budget per period must be known
 * before anything is checked against it.
 */
export async function lockBudgets(
  tx: Queryable,
  targets: readonly BudgetTarget[],
  { newId, now }: { readonly newId: () => string; readonly now: Date },
): Promise<Budgets> {
  let uses = await lockBudgetsFor(tx, targets, now);
  const withoutPeriod = uses.filter(({ windowKey }) => windowKey === null);
  for (const environmentId of new Set(withoutPeriod.map((budget) => budget.environmentId))) {
    await openPeriod(tx, environmentId, { newId, now });
  }
  if (withoutPeriod.length > 0) uses = await lockBudgetsFor(tx, targets, now);
  const budgets: Budgets = new Map();
  for (const use of uses) budgets.set(budgetKey(use), [...(budgets.get(budgetKey(use)) ?? []), use]);
  return budgets;
}

/**
 * For each event null, or why it may not be recorded. Where all of them fit as if each were new, all of them fit whichever
 * were recorded before: only where one does not is that asked.
 */
async function decide(
  tx: Queryable,
  events: readonly BudgetedEvent[],
  budgets: Budgets,
): Promise<(ApiError | null)[]> {
  const decisions = admit(events, budgets, new Set());
  if (decisions.every((refusal) => refusal === null)) return decisions;
  const known = await recordedBefore(tx, events, budgets);
  return known.size === 0 ? decisions : admit(events, budgets, known);
}

/**
 * The usage whose idempotency key was used before: it gets its first outcome, whatever is left, and takes nothing
 * from what is enforced beside it.
 */
async function recordedBefore(
  tx: Queryable,
  events: readonly BudgetedEvent[],
  budgets: Budgets,
): Promise<ReadonlySet<BudgetedEvent>> {
  const binding = new Set(
    events
      .filter((event) => bindingBudgets(event.mustFit, budgets.get(budgetKey(event))).length > 0)
      .map(budgetKey),
  );
  const keyed = events.filter((event) => event.idempotencyKey !== null && binding.has(budgetKey(event)));
  if (keyed.length === 0) return new Set();
  const found = await selectByIdempotencyKey(tx, keyed);
  return new Set(keyed.filter((_, index) => found[index] !== undefined));
}

/** Of the budgets that apply, those that usage must fit into. */
export function bindingBudgets(
  mustFit: BudgetedEvent["mustFit"],
  applying: readonly BudgetUse[] = [],
): readonly BudgetUse[] {
  if (mustFit === "none") return [];
  return mustFit === "all" ? applying : applying.filter(({ enforced }) => enforced);
}

/** For each event null, or why it may not be recorded. What is admitted counts for those that come after. */
function admit(
  events: readonly BudgetedEvent[],
  budgets: Budgets,
  known: ReadonlySet<BudgetedEvent>,
): (ApiError | null)[] {
  const left = new Map(budgets);
  const keys = new Set<string>();
  return events.map((event) => {
    const key = budgetKey(event);
    const applying = left.get(key) ?? [];
    if (applying.length === 0 || known.has(event)) return null;
    // Refused when it is recorded, so it takes nothing from what comes after.
    if (applying.some(({ maxQuantityPerCall }) => isOverCallLimit(event, maxQuantityPerCall))) return null;
    const idempotencyKey = keyOf(event);
    if (idempotencyKey !== null && keys.has(idempotencyKey)) return null;
    const refused = budgetRefusal(bindingBudgets(event.mustFit, applying), event.quantity);
    if (refused !== null) return refused;
    if (idempotencyKey !== null) keys.add(idempotencyKey);
    left.set(
      key,
      applying.map((budget) => ({ ...budget, recorded: budget.recorded + event.quantity })),
    );
    return null;
  });
}

/** `BUDGET_EXCEEDED` where a quantity does not fit into every budget; else null. */
export function budgetRefusal(budgets: readonly BudgetUse[], quantity: number): ApiError | null {
  const budget = longestRefusing(budgets, quantity);
  if (budget === undefined) return null;
  const { limit, used, meterName, resetsAt } = budgetState(budget);
  const per = budget.window === "total" ? "in total" : `per ${budget.window}`;
  const name = `The agent's budget of ${limit} "${meterName}" ${per}`;
  const full = `${name} is used up: ${used} are used or held, and ${quantity} more do not fit. Nothing was recorded.`;
  const message =
    quantity > limit
      ? `${name} is less than ${quantity} in all. Nothing was recorded. Its owner can raise it.`
      : `${full} ${resetsAt === null ? "Its owner can raise it." : `It starts again at ${resetsAt}.`}`;
  return new ApiError("BUDGET_EXCEEDED", message, { budget: budgetState(budget) });
}
