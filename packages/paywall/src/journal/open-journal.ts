import { resolve } from "node:path";
import { tell } from "../events.ts";
import { timerDelay } from "../util/timer-delay.ts";
import { createAdoption } from "./adoption.ts";
import { deliverAll } from "./delivery.ts";
import { createDeliverySchedule } from "./delivery-schedule.ts";
import type { EventBatch } from "./event-batch.ts";
import type { Journal, JournalOptions, JournalState } from "./journal.ts";
import { JournalError, messageOf } from "./journal-error.ts";
import { billedMembers, type JournalEvent } from "./journal-event.ts";
import { encodeLine, MAX_LINE_BYTES } from "./line.ts";
import { createSegmentWriter, syncDirectory } from "./segment-writer.ts";
import { createSubJournal, pendingBytes, releaseSubJournal, type SubJournal } from "./sub-journal.ts";

/** A request's body stays well under the 1 MiB that servers commonly take. */
const BATCH_BYTES = 512 * 1024;

/**
 * Opens a journal: usage is appended to a local file before it is billed, and delivered in batches, so that neither
 * an outage of the API nor the death of this process loses or doubles it.
 *
 * Its timers keep no process alive: call `close()` before exit, or leave the rest to the next start.
 *
 * @throws {JournalError} `JOURNAL_UNSUPPORTED` where files cannot be locked; else the system's error where the
 * directory cannot be made or read.
 *
 * @example
 * ```ts
 * const journal = await openJournal({
 *   directory: "/var/lib/forecast/usage",
 *   deliver: (events, { signal }) => licentric.usage.recordBatch(events, { signal, maxRetries: 0 }),
 *   onFailed: (failure) => logger.warn(failure),
 * });
 * await journal.append({
 *   idempotencyKey: crypto.randomUUID(),
 *   timestamp: new Date().toISOString(),
 *   agentId: caller.agentId,
 *   meterName: "api_calls",
 *   quantity: 1,
 * });
 * await journal.close();
 * ```
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const settings = readOptions(options);
  const { directory, durability, batchSize, flushInterval, onFailed } = settings;
  const own = await createSubJournal(directory, settings.now());
  if (durability === "disk") for (const path of [own.directory, directory]) await syncDirectory(path);
  const writer = createSegmentWriter(own, settings);
  /** Adopted ones first, our own last. */
  const subJournals: SubJournal[] = [own];
  const stopped = new AbortController();
  let closing: Promise<JournalState> | undefined;

  const ownDelay = () => (own.events >= batchSize ? 0 : flushInterval);
  const hasFailed = () => schedule.failedAttempts() > 0;
  const schedule = createDeliverySchedule({
    ...settings,
    deliver: () => deliverAll(subJournals, own, { ...settings, hasFailed }, stopped.signal),
    onSucceeded() {
      // Adopted while this ran.
      if (subJournals.length > 1) schedule.plan(0);
      if (pendingBytes(own) > 0) schedule.plan(ownDelay());
    },
  });
  const adoption = createAdoption({
    directory,
    subJournals,
    interval: settings.adoptInterval,
    onFailed,
    onAdopted() {
      if (!hasFailed()) schedule.plan(0);
    },
  });
  await adoption.look();

  function state(): JournalState {
    const pendingEvents = subJournals.reduce((sum, subJournal) => sum + subJournal.events, 0);
    return {
      pendingEvents,
      pendingBytes: allPendingBytes(subJournals),
      failedAttempts: schedule.failedAttempts(),
    };
  }

  async function append(event: JournalEvent): Promise<void> {
    if (closing !== undefined) {
      throw new JournalError("JOURNAL_CLOSED", "the usage journal is closed and takes no more events");
    }
    const line = encodeLine(billedMembers(event));
    const bytes = allPendingBytes(subJournals) + writer.queuedBytes() + line.length;
    if (bytes > settings.maxBytes) throw full(settings);
    await writer.append(line);
    if (!schedule.isUnderWay()) schedule.plan(ownDelay());
  }

  async function flush(): Promise<void> {
    await writer.idle();
    // One that is in progress may have begun before the last event.
    await schedule.idle();
    await schedule.run().catch((error: unknown) => {
      throw undelivered(directory, state(), error);
    });
  }

  async function shutDown(timeout: number): Promise<JournalState> {
    schedule.stop();
    await adoption.stop();
    await writer.idle();
    await deliverWithin(timeout);
    const left = state();
    writer.close();
    for (const subJournal of subJournals) await releaseSubJournal(subJournal);
    return left;
  }

  async function deliverWithin(timeout: number): Promise<void> {
    const stop = () => {
      stopped.abort(new JournalError("JOURNAL_CLOSED", `the journal was closed within ${timeout} ms`));
    };
    const deadline = setTimeout(stop, timerDelay(timeout));
    // A timer of 0 ms would leave an API that is quick the time for a batch.
    if (timeout === 0) stop();
    while (!stopped.signal.aborted && state().pendingBytes > 0) {
      // What failed was reported by the schedule.
      await flush().catch(() => pause(schedule.retryIn(), stopped.signal));
    }
    clearTimeout(deadline);
    await schedule.idle();
  }

  return {
    directory,
    append,
    flush,
    close: ({ timeout = 5000 } = {}) => {
      closing ??= shutDown(timeout);
      return closing;
    },
    state,
  };
}

/** Options with their defaults. @throws {JournalError} `JOURNAL_UNSUPPORTED` for one that cannot be right. */
function readOptions(options: JournalOptions) {
  const { batchSize = 1000, maxBytes = 256 * 1024 * 1024 } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > 1000) {
    throw new JournalError("JOURNAL_UNSUPPORTED", "batchSize must be a whole number from 1 to 1000");
  }
  if (maxBytes < MAX_LINE_BYTES) {
    throw new JournalError("JOURNAL_UNSUPPORTED", `maxBytes must be at least ${MAX_LINE_BYTES}`);
  }
  const { first = 250, longest = 30_000 } = options.retryDelay ?? {};
  const deliverEvents = (batch: EventBatch, call: { signal: AbortSignal }) =>
    options.deliver(batch.events(), call);
  return {
    directory: resolve(options.directory),
    deliver: options.deliverBatch ?? deliverEvents,
    durability: options.durability ?? "process",
    batchSize,
    batchBytes: BATCH_BYTES,
    maxBytes,
    segmentBytes: options.segmentBytes ?? 4 * 1024 * 1024,
    flushInterval: options.flushInterval ?? 1000,
    adoptInterval: options.adoptInterval ?? 15_000,
    deliveryTimeout: options.deliveryTimeout ?? 30_000,
    retryDelay: { first, longest },
    retryAfter: options.retryAfter,
    now: options.now ?? Date.now,
    random: options.random ?? Math.random,
    onFailed: guarded(options.onFailed),
    onDelivered: guarded(options.onDelivered),
  };
}

function allPendingBytes(subJournals: readonly SubJournal[]): number {
  let sum = 0;
  for (const subJournal of subJournals) sum += pendingBytes(subJournal);
  return sum;
}

function full({ directory, maxBytes }: { directory: string; maxBytes: number }): JournalError {
  return new JournalError(
    "JOURNAL_FULL",
    `the usage journal in ${directory} holds ${maxBytes} bytes that wait for the billing API, so the event ` +
      "was not recorded. Restore the API, or raise maxBytes",
  );
}

function undelivered(directory: string, { pendingEvents }: JournalState, cause: unknown): JournalError {
  return new JournalError(
    "JOURNAL_DELIVERY_FAILED",
    `${pendingEvents} usage events wait in ${directory} and are sent again later: ${messageOf(cause)}`,
    { cause },
  );
}

/** A listener that can neither stop delivery nor end the process. */
function guarded<T>(listener: ((value: T) => void) | undefined): (value: T) => void {
  return (value) => {
    if (listener !== undefined) tell(listener, value, "a listener of the usage journal");
  };
}

/** Resolves after a while, or when the signal ends it. It keeps the process alive, since somebody awaits it. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
