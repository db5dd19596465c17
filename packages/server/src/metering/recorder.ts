import { createBatcher } from "../batcher.ts";
import { openPeriod } from "../billing/open-period.ts";
import { ApiError, notFound } from "../http/api-error.ts";
import { type Database, type Queryable, sqlState } from "../store/database.ts";
import { isolateFaults } from "./isolate-faults.ts";
import { type PendingEvent, type RecordRow, recordEvents } from "./record-events.ts";
import { type StoredEvent, selectByIdempotencyKey } from "./usage-events.ts";

/** Outcome of an event: recorded now, or recorded before under the same idempotency key. */
export interface Recorded {
  readonly event: StoredEvent;
  readonly duplicate: boolean;
  /** The day of the usage in the account's time zone; null for a duplicate. */
  readonly day: string | null;
}

/** Options for the recorder. */
export interface RecorderOptions {
  readonly db: Database;
  readonly now: () => Date;
  readonly newId: () => string;
  /** Told how many events came together in one batch. */
  readonly onBatch?: (size: number) => void;
  /** Told of each event that was recorded, or had been before. */
  readonly onEvent?: (duplicate: boolean) => void;
}

// As many tries as a period could be closed under an event's feet by other processes before giving up.
const MAX_ATTEMPTS = 20;

/**
 * Makes the one way by which usage is recorded. Concurrent callers share one statement and one commit; the promise
 * resolves only after it.
 *
 * @returns a function that rejects with an {@link ApiError}: `UNPROCESSABLE` for an unknown meter, more than an agent's
 * call may use of it, or an agent's total of a day beyond 2^53 - 1; `NOT_FOUND` for an unknown agent, `IDEMPOTENCY_CONFLICT` for a key that was used for other usage. It rejects
 * with {@link BudgetUncheckedError} where a budget applies to an agent's usage.
 */
export function createRecorder({
  db,
  now,
  newId,
  onBatch,
  onEvent,
}: RecorderOptions): (event: PendingEvent) => Promise<Recorded> {
  const store = {
    db,
    insert: (events: readonly PendingEvent[], at: Date) => recordEvents(db, events, at),
    openPeriod: (environmentId: string, at: Date) =>
      db.transaction((tx) => openPeriod(tx, environmentId, { newId, now: at })),
  };
  return createBatcher<PendingEvent, Recorded>(
    async (events) => {
      onBatch?.(events.length);
      const outcomes = await isolateFaults(events, (part) => recordWith(store, part, now), explainRefusal);
      for (const outcome of outcomes) if (!(outcome instanceof Error)) onEvent?.(outcome.duplicate);
      return outcomes;
    },
    { maxItems: 1_000, concurrency: db.kind === "embedded" ? 1 : 2 },
  );
}

/** Store that events are recorded in: by statements of their own, or in a transaction. */
export interface EventStore {
  readonly db: Queryable;
  readonly insert: (events: readonly PendingEvent[], at: Date) => Promise<RecordRow[]>;
  readonly openPeriod: (environmentId: string, at: Date) => Promise<void>;
}

/** Records events, in a new period where there is none that takes them. One outcome for each, in their order. */
export async function recordWith(
  { db, insert, openPeriod }: EventStore,
  events: readonly PendingEvent[],
  now: () => Date,
): Promise<(Recorded | Error)[]> {
  const outcomes = new Map<PendingEvent, Recorded | Error>();
  let pending = events;
  for (let attempt = 1; pending.length > 0; attempt += 1) {
    if (attempt > MAX_ATTEMPTS) throw new Error("periods are closed faster than usage can be recorded");
    const at = now();
    const atText = at.toISOString();
    const rows = await insert(pending, at);
    const notRecorded: { event: PendingEvent; row: RecordRow }[] = [];
    const withoutPeriod: PendingEvent[] = [];
    for (const [index, event] of pending.entries()) {
      const row = rows[index];
      if (row === undefined) throw new Error("the statement has no row for this event");
      if (!row.knowsAgent) outcomes.set(event, notFound("agent", event.agentId));
      else if (!row.knowsMeter) outcomes.set(event, unknownMeter(event.meterName));
      else if (row.periodId === null) withoutPeriod.push(event);
      else if (row.recorded)
        outcomes.set(event, { event: stored(event, row.periodId, atText), duplicate: false, day: row.day });
      else if (row.budgetUnchecked) outcomes.set(event, new BudgetUncheckedError());
      else notRecorded.push({ event, row });
    }
    for (const [event, outcome] of await firstOutcomes(db, notRecorded)) outcomes.set(event, outcome);
    for (const environmentId of new Set(withoutPeriod.map((event) => event.environmentId))) {
      await openPeriod(environmentId, at);
    }
    pending = withoutPeriod;
  }
  return events.map((event) => outcomes.get(event) ?? new Error("the event has no outcome"));
}

/**
 * Returns the outcomes that these idempotency keys recorded first; each stands even where the meter's limit
 * was lowered since. An event that was never recorded is over that limit.
 */
async function firstOutcomes(
  db: Queryable,
  notRecorded: readonly { readonly event: PendingEvent; readonly row: RecordRow }[],
): Promise<Map<PendingEvent, Recorded | Error>> {
  const outcomes = new Map<PendingEvent, Recorded | Error>();
  if (notRecorded.length === 0) return outcomes;
  const found = await selectByIdempotencyKey(
    db,
    notRecorded.map(({ event }) => event),
  );
  for (const [index, { event, row }] of notRecorded.entries()) {
    const first = found[index];
    if (first !== undefined) outcomes.set(event, repeated(event, first));
    else if (isOverCallLimit(event, row.maxQuantityPerCall)) outcomes.set(event, overCallLimit(event, row));
    else throw new Error("the event that holds this idempotency key is gone");
  }
  return outcomes;
}

/** Checks whether an event is an agent's own and has more than one call may use of the meter. */
export function isOverCallLimit(
  { byAgent, quantity }: Pick<PendingEvent, "byAgent" | "quantity">,
  maxQuantityPerCall: number | null,
): boolean {
  return byAgent && maxQuantityPerCall !== null && quantity > maxQuantityPerCall;
}

/** Returns the outcome of an event whose idempotency key had recorded `first`. */
function repeated(event: PendingEvent, first: StoredEvent): Recorded | Error {
  const same = first.meterName === event.meterName && first.quantity === event.quantity;
  return same ? { event: first, duplicate: true, day: null } : keyUsedOtherwise();
}

function stored(event: PendingEvent, periodId: string, now: string): StoredEvent {
  return {
    id: event.id,
    agentId: event.agentId,
    meterName: event.meterName,
    quantity: event.quantity,
    periodId,
    idempotencyKey: event.idempotencyKey,
    timestamp: event.occurredAt?.toISOString() ?? now,
    metadata: event.metadata ?? {},
    createdAt: now,
  };
}

/** The answer for usage of a meter that the environment has not. */
export function unknownMeter(name: string): ApiError {
  return new ApiError(
    "UNPROCESSABLE",
    `There is no meter "${name}" here, so nothing was recorded. Create it (POST /api/v1/meters) or correct the name.`,
    { meterName: name },
  );
}

/** The answer for more than one call may use of a meter. */
export function overCallLimit(
  { meterName, quantity }: Pick<PendingEvent, "meterName" | "quantity">,
  { maxQuantityPerCall }: { readonly maxQuantityPerCall: number | null },
): ApiError {
  const message = `${quantity} is more than the ${maxQuantityPerCall} that one call may use of the meter "${meterName}", so nothing was recorded. Its owner can raise the meter's maxQuantityPerCall (PATCH /api/v1/meters/:meterId).`;
  return new ApiError("UNPROCESSABLE", `quantity: ${message}`, {
    meterName,
    maxQuantityPerCall,
    issues: [{ path: "quantity", message, code: "too_big" }],
  });
}

/** A budget applies to the usage, and nobody has checked it: nothing was recorded. */
export class BudgetUncheckedError extends Error {
  override readonly name = "BudgetUncheckedError";
}

function keyUsedOtherwise(): ApiError {
  return new ApiError(
    "IDEMPOTENCY_CONFLICT",
    "This idempotency key was used for other usage. Repeat a request unchanged, or give new usage a new key.",
  );
}

const TOTAL_TOO_LARGE = "23514";
const NUMBER_TOO_LARGE = "22003";

/** Returns the error for usage that the database refuses. */
export function explainRefusal(error: unknown, { meterName }: Pick<PendingEvent, "meterName">): Error {
  const state = sqlState(error);
  if (state === TOTAL_TOO_LARGE || state === NUMBER_TOO_LARGE) {
    return new ApiError(
      "UNPROCESSABLE",
      `The agent's total of the meter "${meterName}" on this day would pass ${Number.MAX_SAFE_INTEGER}, so nothing was recorded. Close the period, or give the meter a larger unit.`,
    );
  }
  return error instanceof Error ? error : new Error(String(error));
}
