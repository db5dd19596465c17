import type { BudgetState } from "@licentric/contract";
import { createBatcher } from "../batcher.ts";
import { openPeriod } from "../billing/open-period.ts";
import { ApiError } from "../http/api-error.ts";
import type { Queryable } from "../store/database.ts";
import { tellThresholds } from "./budget-alerts.ts";
import { budgetRefusal } from "./budget-refusal.ts";
import {
  type ApplyingBudgets,
  adding,
  afterRecording,
  applyingBudgets,
  type BudgetTarget,
  type BudgetUse,
  budgetKey,
  budgetState,
  callLimitOf,
  isOver,
  needsPeriod,
  tightest,
  usedOf,
} from "./budget-rules.ts";
import { lockBudgetsFor } from "./budget-use.ts";
import { isolateFaults } from "./isolate-faults.ts";
import { type PendingEvent, recordEvents } from "./record-events.ts";
import {
  BudgetUncheckedError,
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

interface Making {
  readonly newId: () => string;
  readonly now: Date;
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

// As many tries as budgets could be made, and agents moved, under usage by other processes before giving up.
const MAX_ATTEMPTS = 20;

/** Records usage in a transaction, under the locks of the budgets that apply. One outcome for each, in order. */
export async function recordWithBudgets(
  tx: Queryable,
  events: readonly BudgetedEvent[],
  making: Making,
): Promise<(BudgetedOutcome | Error)[]> {
  const outcomes = new Map<BudgetedEvent, BudgetedOutcome | Error>();
  let pending = events;
  for (let attempt = 1; pending.length > 0; attempt += 1) {
    if (attempt > MAX_ATTEMPTS) throw new Error("budgets are changed faster than usage can be recorded");
    const done = await recordUnderLocks(tx, pending, making);
    for (const [index, event] of pending.entries()) outcomes.set(event, done[index] ?? noOutcome());
    const isUnchecked = done.some((outcome) => outcome instanceof BudgetUncheckedError);
    // What was refused beside it may fit after all, without it.
    pending = isUnchecked ? pending.filter((event) => isUndecided(outcomes.get(event))) : [];
  }
  return events.map((event) => outcomes.get(event) ?? noOutcome());
}

function isUndecided(outcome: BudgetedOutcome | Error | undefined): boolean {
  if (outcome instanceof BudgetUncheckedError) return true;
  return outcome instanceof ApiError && outcome.code === "BUDGET_EXCEEDED";
}

const noOutcome = () => new Error("the event has no outcome");

/** Does so once: usage to which a budget applies by now that was not locked is left out. */
async function recordUnderLocks(
  tx: Queryable,
  events: readonly BudgetedEvent[],
  { newId, now }: Making,
): Promise<(BudgetedOutcome | Error)[]> {
  const budgets = await lockBudgets(tx, events, { newId, now });
  const decisions = await decide(tx, events, budgets);
  const admitted = events.filter((_, index) => decisions[index] === null);
  const store = {
    db: tx,
    insert: (part: readonly PendingEvent[], at: Date) =>
      recordEvents(tx, part, at, (event) => budgets.idsFor.get(budgetKey(event)) ?? []),
    openPeriod: (environmentId: string, at: Date) => openPeriod(tx, environmentId, { newId, now: at }),
  };
  const recorded = await recordWith(store, admitted, () => now);
  const byEvent = new Map(admitted.map((event, index) => [event, recorded[index]]));

  const uses = new Map(budgets.uses);
  const outcomes = events.map((event, index): BudgetedOutcome | Error => {
    const outcome = decisions[index] ?? byEvent.get(event) ?? noOutcome();
    if (outcome instanceof Error) return outcome;
    const before = applyingBudgets(event, budgets.idsFor, uses);
    const { day, event: stored } = outcome;
    const { meterName, quantity, periodId } = stored;
    const usage = day === null ? null : { meterName, quantity, periodId, day };
    const after = before.map((budget) => (usage === null ? budget : afterRecording(budget, usage)));
    for (const budget of after) uses.set(budget.id, budget);
    const budget = tightest(after);
    const overBudget = after.some(
      (one, place) => one.enforced && isOver(one) && hasGrown(before[place], one),
    );
    return { ...outcome, budget: budget && budgetState(budget, meterName), overBudget };
  });
  for (const budget of uses.values()) await tellThresholds(tx, budget, { newId, now });
  return outcomes;
}

/** Checks whether usage took something of a budget: what costs nothing leaves one in money as it was. */
function hasGrown(before: BudgetUse | undefined, after: BudgetUse): boolean {
  return before !== undefined && usedOf(after).gt(usedOf(before));
}

/**
 * Locks the budgets that apply and makes sure that a period runs: the window of a budget per period, and the prices of one
 * in money, must be known before anything is checked against it.
 */
export async function lockBudgets(
  tx: Queryable,
  targets: readonly BudgetTarget[],
  { newId, now }: Making,
): Promise<ApplyingBudgets> {
  const budgets = await lockBudgetsFor(tx, targets, now);
  const withoutPeriod = [...budgets.uses.values()].filter(needsPeriod);
  for (const environmentId of new Set(withoutPeriod.map((budget) => budget.environmentId))) {
    await openPeriod(tx, environmentId, { newId, now });
  }
  return withoutPeriod.length > 0 ? lockBudgetsFor(tx, targets, now) : budgets;
}

/**
 * For each event null, or why it may not be recorded. Where all of them fit as if each were new, all of them fit whichever
 * were recorded before: only where one does not is that asked.
 */
async function decide(
  tx: Queryable,
  events: readonly BudgetedEvent[],
  budgets: ApplyingBudgets,
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
  { uses, idsFor }: ApplyingBudgets,
): Promise<ReadonlySet<BudgetedEvent>> {
  const applying = (event: BudgetedEvent) => applyingBudgets(event, idsFor, uses);
  const binding = new Set(
    events.flatMap((event) => bindingBudgets(event.mustFit, applying(event)).map(({ id }) => id)),
  );
  const keyed = events.filter(
    (event) => event.idempotencyKey !== null && applying(event).some(({ id }) => binding.has(id)),
  );
  if (keyed.length === 0) return new Set();
  const found = await selectByIdempotencyKey(tx, keyed);
  return new Set(keyed.filter((_, index) => found[index] !== undefined));
}

/** Of the budgets that apply, those that usage must fit into. */
export function bindingBudgets(
  mustFit: BudgetedEvent["mustFit"],
  applying: readonly BudgetUse[],
): readonly BudgetUse[] {
  if (mustFit === "none") return [];
  return mustFit === "all" ? applying : applying.filter(({ enforced }) => enforced);
}

/** For each event null, or why it may not be recorded. What is admitted counts for those that come after. */
function admit(
  events: readonly BudgetedEvent[],
  { uses, idsFor }: ApplyingBudgets,
  known: ReadonlySet<BudgetedEvent>,
): (ApiError | null)[] {
  const left = new Map(uses);
  const keys = new Set<string>();
  return events.map((event) => {
    const applying = applyingBudgets(event, idsFor, left);
    if (applying.length === 0 || known.has(event)) return null;
    // Refused when it is recorded, so it takes nothing from what comes after.
    if (applying.some((budget) => isOverCallLimit(event, callLimitOf(budget, event.meterName)))) return null;
    const idempotencyKey = keyOf(event);
    if (idempotencyKey !== null && keys.has(idempotencyKey)) return null;
    const refused = budgetRefusal(bindingBudgets(event.mustFit, applying), event);
    if (refused !== null) return refused;
    if (idempotencyKey !== null) keys.add(idempotencyKey);
    for (const budget of applying) left.set(budget.id, adding(budget, event));
    return null;
  });
}
