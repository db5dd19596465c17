import { resolve } from "node:path";
import { tell } from "../events.ts";
import { timerDelay } from "../util/timer-delay.ts";
import { type DeliverySettings, DiskError, deliverAll } from "./delivery.ts";
import type { Journal, JournalOptions, JournalState } from "./journal.ts";
import { JournalError, messageOf } from "./journal-error.ts";
import { billedMembers, type JournalEvent } from "./journal-event.ts";
import { encodeLine, MAX_LINE_BYTES } from "./line.ts";
import { createSegmentWriter, syncDirectory } from "./segment-writer.ts";
import {
  adoptSubJournal,
  createSubJournal,
  listSubJournals,
  misplaced,
  pendingBytes,
  releaseSubJournal,
  type SubJournal,
} from "./sub-journal.ts";

/** A request's body stays well under the 1 MiB that servers commonly take. */
const BATCH_BYTES = 512 * 1024;

/** The longest pause that the API may ask for: it may be back long before, and nobody else would notice. */
const LONGEST_RETRY_AFTER = 300_000;

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
  const directory = resolve(options.directory);
  const { durability = "process", batchSize = 1000, flushInterval = 1000, adoptInterval = 15_000 } = options;
  const { maxBytes = 256 * 1024 * 1024, segmentBytes = 4 * 1024 * 1024 } = options;
  const { first = 250, longest = 30_000 } = options.retryDelay ?? {};
  const { now = Date.now, random = Math.random } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > 1000) {
    throw new JournalError("JOURNAL_UNSUPPORTED", "batchSize must be a whole number from 1 to 1000");
  }
  if (maxBytes < MAX_LINE_BYTES) {
    throw new JournalError("JOURNAL_UNSUPPORTED", `maxBytes must be at least ${MAX_LINE_BYTES}`);
  }
  const onFailed = guarded(options.onFailed);
  const settings: DeliverySettings = {
    directory,
    deliver:
      options.deliverBatch ??
      ((batch, call: { signal: AbortSignal }) => options.deliver(batch.events(), call)),
    hasFailed: () => failedAttempts > 0,
    batchSize,
    batchBytes: BATCH_BYTES,
    deliveryTimeout: options.deliveryTimeout ?? 30_000,
    now,
    onFailed,
    onDelivered: guarded(options.onDelivered),
  };

  const own = await createSubJournal(directory, now());
  if (durability === "disk") for (const path of [own.directory, directory]) await syncDirectory(path);
  const writer = createSegmentWriter(own, { durability, segmentBytes });
  /** Adopted ones first, our own last. */
  const subJournals: SubJournal[] = [own];
  const unreadable = new Set<string>();
  const stopped = new AbortController();
  let failedAttempts = 0;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let dueAt = Number.POSITIVE_INFINITY;
  let retryIn = 0;
  let closing: Promise<JournalState> | undefined;
  let adopting: Promise<void> | undefined;

  await adopt();
  const adoption = setInterval(adopt, adoptInterval).unref();

  function adopt(): Promise<void> {
    adopting ??= adoptOrphans().finally(() => {
      adopting = undefined;
    });
    return adopting;
  }

  async function adoptOrphans(): Promise<void> {
    for (const name of await namesOnDisk()) {
      if (closing !== undefined) return;
      if (unreadable.has(name) || subJournals.some((subJournal) => subJournal.name === name)) continue;
      try {
        const orphan = await adoptSubJournal(directory, name);
        if (orphan === undefined) continue;
        if (closing !== undefined || pendingBytes(orphan) === 0) await releaseSubJournal(orphan);
        else subJournals.splice(-1, 0, orphan);
      } catch (error) {
        // Another user's, perhaps. Said once, and left alone.
        unreadable.add(name);
        onFailed({ reason: "disk", error });
      }
    }
    if (subJournals.length > 1 && failedAttempts === 0) schedule(0);
  }

  async function namesOnDisk(): Promise<string[]> {
    try {
      return await listSubJournals(directory);
    } catch (error) {
      onFailed({ reason: "disk", error: misplaced(own) ?? error });
      return [];
    }
  }

  /** Delivers after `delay` milliseconds, or sooner where that is planned already. */
  function schedule(delay: number): void {
    const at = performance.now() + delay;
    if (closing !== undefined || at >= dueAt) return;
    clearTimeout(timer);
    dueAt = at;
    // A failure was reported, and the next attempt planned, by failed().
    timer = setTimeout(() => run().catch(() => undefined), timerDelay(delay)).unref();
  }

  function run(): Promise<void> {
    clearTimeout(timer);
    dueAt = Number.POSITIVE_INFINITY;
    running ??= deliverAll(subJournals, own, settings, stopped.signal)
      .then(succeeded, failed)
      .finally(() => {
        running = undefined;
      });
    return running;
  }

  function succeeded(): void {
    failedAttempts = 0;
    // Adopted while this ran.
    if (subJournals.length > 1) schedule(0);
    if (pendingBytes(own) > 0) schedule(own.events >= batchSize ? 0 : flushInterval);
  }

  function failed(error: unknown): never {
    failedAttempts++;
    retryIn = pauseAfter(error);
    if (error instanceof DiskError) onFailed({ reason: "disk", error: error.cause });
    else onFailed({ reason: "unavailable", error, attempt: failedAttempts, retryIn });
    schedule(retryIn);
    throw error;
  }

  /** Half of it fixed, so that it never spins; half by chance, so that processes do not return in step. */
  function pauseAfter(error: unknown): number {
    const ceiling = Math.min(longest, first * 2 ** Math.min(failedAttempts - 1, 30));
    const asked = Math.min(options.retryAfter?.(error) ?? 0, LONGEST_RETRY_AFTER);
    return Math.max(ceiling * (0.5 + random() / 2), asked);
  }

  function state(): JournalState {
    const pendingEvents = subJournals.reduce((sum, subJournal) => sum + subJournal.events, 0);
    return { pendingEvents, pendingBytes: allPendingBytes(), failedAttempts };
  }

  function allPendingBytes(): number {
    let sum = 0;
    for (const subJournal of subJournals) sum += pendingBytes(subJournal);
    return sum;
  }

  async function append(event: JournalEvent): Promise<void> {
    if (closing !== undefined) {
      throw new JournalError("JOURNAL_CLOSED", "the usage journal is closed and takes no more events");
    }
    const line = encodeLine(billedMembers(event));
    if (allPendingBytes() + writer.queuedBytes() + line.length > maxBytes) throw full();
    await writer.append(line);
    // During an outage the next attempt is planned already.
    if (failedAttempts === 0 && running === undefined) schedule(own.events >= batchSize ? 0 : flushInterval);
  }

  function full(): JournalError {
    return new JournalError(
      "JOURNAL_FULL",
      `the usage journal in ${directory} holds ${maxBytes} bytes that wait for the billing API, so the event ` +
        "was not recorded. Restore the API, or raise maxBytes",
    );
  }

  async function flush(): Promise<void> {
    await writer.idle();
    // One that is in progress may have begun before the last event.
    await running?.catch(() => undefined);
    try {
      await run();
    } catch (error) {
      const { pendingEvents } = state();
      throw new JournalError(
        "JOURNAL_DELIVERY_FAILED",
        `${pendingEvents} usage events wait in ${directory} and are sent again later: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  function close({ timeout = 5000 }: { timeout?: number } = {}): Promise<JournalState> {
    closing ??= shutDown(timeout);
    return closing;
  }

  async function shutDown(timeout: number): Promise<JournalState> {
    clearTimeout(timer);
    clearInterval(adoption);
    await adopting;
    await writer.idle();
    const stop = () => {
      stopped.abort(new JournalError("JOURNAL_CLOSED", `the journal was closed within ${timeout} ms`));
    };
    const deadline = setTimeout(stop, timerDelay(timeout));
    // A timer of 0 ms would leave an API that is quick the time for a batch.
    if (timeout === 0) stop();
    while (!stopped.signal.aborted && state().pendingBytes > 0) {
      try {
        await flush();
      } catch {
        // Reported by failed().
        await pause(retryIn, stopped.signal);
      }
    }
    clearTimeout(deadline);
    await running?.catch(() => undefined);
    const left = state();
    writer.close();
    for (const subJournal of subJournals) await releaseSubJournal(subJournal);
    return left;
  }

  return { directory, append, flush, close, state };
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
