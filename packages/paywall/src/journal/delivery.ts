import { deadLetterFile, keepDeadLetters } from "./dead-letters.ts";
import type { EventBatch } from "./event-batch.ts";
import { failedWith, JournalError, messageOf } from "./journal-error.ts";
import type { JournalEvent } from "./journal-event.ts";
import type { Batch } from "./read-batch.ts";
import {
  advance,
  misplaced,
  nextBatch,
  pendingBytes,
  releaseSubJournal,
  type Segment,
  type SubJournal,
} from "./sub-journal.ts";

/** The API's outcome of one event. The contract's `RecordOutcome` fits as it is. */
export type DeliveryOutcome =
  | { readonly status: "recorded" | "duplicate" }
  | { readonly status: "rejected"; readonly error: string; readonly code: string };

/** A batch that the API answered. */
export interface Delivered {
  readonly events: readonly JournalEvent[];
  readonly recorded: number;
  /** Events that an earlier attempt had recorded: the usual trace of a crash or a lost answer. */
  readonly duplicates: number;
  readonly rejected: number;
}

/** Something that a person should know of. No event is lost by any of these but by `damaged`. */
export type JournalFailure =
  /** The API could not be reached or refused the whole batch; it is sent again in `retryIn` milliseconds. */
  | {
      readonly reason: "unavailable";
      readonly error: unknown;
      readonly attempt: number;
      readonly retryIn: number;
    }
  /** The API refused this event for good. It is kept in `file` and not sent again. */
  | {
      readonly reason: "rejected";
      readonly event: JournalEvent;
      readonly error: string;
      readonly code: string;
      readonly file: string;
    }
  /** Bytes of a segment are no event any more, by a fault of the disk or a hand in the files. */
  | { readonly reason: "damaged"; readonly file: string; readonly offset: number; readonly length: number }
  /** A file of the journal could not be read, written or removed; it is tried again. */
  | { readonly reason: "disk"; readonly error: unknown };

/** The parts that delivery needs; `JournalOptions` documents the options that come from outside. */
export interface DeliverySettings {
  readonly directory: string;
  readonly deliver: (batch: EventBatch, call: { signal: AbortSignal }) => Promise<readonly DeliveryOutcome[]>;
  /** Returns whether the last attempt failed: what is sent may be why. */
  readonly hasFailed: () => boolean;
  readonly batchSize: number;
  readonly batchBytes: number;
  readonly deliveryTimeout: number;
  readonly now: () => number;
  readonly onDelivered: (delivered: Delivered) => void;
  readonly onFailed: (failure: JournalFailure) => void;
}

/**
 * Delivers what the sub-journals held when it was called, and goes on while whole batches are waiting. Adopted ones
 * come first, and are given up when nothing is left in them.
 *
 * @throws what `deliver` threw, and errors of the disk. What was not delivered stays.
 */
export async function deliverAll(
  subJournals: SubJournal[],
  own: SubJournal,
  settings: DeliverySettings,
  stop: AbortSignal,
): Promise<void> {
  const errors: unknown[] = [];
  for (const subJournal of [...subJournals]) {
    try {
      await deliverSubJournal(subJournal, settings, stop);
      if (subJournal === own) continue;
      subJournals.splice(subJournals.indexOf(subJournal), 1);
      await onDisk(releaseSubJournal(subJournal));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      // One unreadable directory does not hold up the others.
      errors.push(error.cause);
    }
  }
  if (errors.length > 0) throw new DiskError(errors[0]);
}

async function deliverSubJournal(
  subJournal: SubJournal,
  settings: DeliverySettings,
  stop: AbortSignal,
): Promise<void> {
  const newest = subJournal.segments.at(-1);
  const goal = { sequence: newest?.sequence ?? 0, offset: newest?.size ?? 0 };
  while (!hasReached(subJournal, goal) || subJournal.events >= settings.batchSize) {
    const batch = await readNext(subJournal, settings);
    if (batch === undefined) break;
    const outcomes = batch.count > 0 ? await attempt(batch, settings, stop) : [];
    const delivered = await settle(subJournal, batch, outcomes, settings);
    if (batch.count > 0) settings.onDelivered(delivered);
  }
  // After damage the count is too high; here it is known.
  if (pendingBytes(subJournal) === 0) subJournal.events = 0;
}

/** Returns whether everything before a place in a sub-journal is delivered; what was appended behind it may wait for others. */
function hasReached(
  subJournal: SubJournal,
  { sequence, offset }: { sequence: number; offset: number },
): boolean {
  const [first] = subJournal.segments;
  if (first === undefined || first.sequence > sequence) return true;
  return first.sequence === sequence && subJournal.offset >= offset;
}

async function readNext(subJournal: SubJournal, settings: DeliverySettings) {
  try {
    const { batchSize: maxEvents, batchBytes: maxBytes, hasFailed } = settings;
    return await nextBatch(subJournal, { maxEvents, maxBytes, isStrict: hasFailed() });
  } catch (error) {
    const [segment] = subJournal.segments;
    if (segment !== undefined && failedWith(error, "ENOENT")) {
      if (subJournal.lock.place() === "moved") throw new DiskError(misplaced(subJournal));
      // Somebody deleted it: waiting brings it back no more, and must not hold up what comes after.
      settings.onFailed({
        reason: "damaged",
        file: segment.path,
        offset: subJournal.offset,
        length: segment.size - subJournal.offset,
      });
      subJournal.segments.shift();
      subJournal.offset = 0;
      return readNext(subJournal, settings);
    }
    throw new DiskError(error);
  }
}

/** One request, ended by the time limit or by `stop` even where `deliver` heeds neither. */
async function attempt(
  batch: EventBatch,
  settings: DeliverySettings,
  stop: AbortSignal,
): Promise<readonly DeliveryOutcome[]> {
  // One controller a request: Node 20 keeps what AbortSignal.any() makes for as long as its longest-lived source.
  const call = new AbortController();
  const end = () => call.abort(stop.reason);
  stop.addEventListener("abort", end);
  if (stop.aborted) end();
  const timer = setTimeout(() => {
    call.abort(
      new JournalError("JOURNAL_DELIVERY_FAILED", `no answer within ${settings.deliveryTimeout} ms`),
    );
  }, settings.deliveryTimeout).unref();
  try {
    const { signal } = call;
    const outcomes = await Promise.race([settings.deliver(batch, { signal }), aborted(signal)]);
    if (outcomes.length !== batch.count) {
      throw new JournalError(
        "JOURNAL_DELIVERY_FAILED",
        `deliver returned ${outcomes.length} outcomes for ${batch.count} events; it must return one for each`,
      );
    }
    return outcomes;
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", end);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Keeps what was refused, and only then notes the batch as delivered. */
async function settle(
  subJournal: SubJournal,
  batch: Batch & { segment: Segment },
  outcomes: readonly DeliveryOutcome[],
  settings: DeliverySettings,
): Promise<Delivered> {
  const { damage, segment } = batch;
  const file = deadLetterFile(settings.directory, subJournal.name);
  const failures: JournalFailure[] = [];
  const records: object[] = [];
  const counts = { recorded: 0, duplicate: 0, rejected: 0 };
  for (const { status } of outcomes) counts[status]++;
  const events = counts.rejected > 0 ? batch.events() : [];
  const at = new Date(settings.now()).toISOString();
  for (const [index, event] of events.entries()) {
    const outcome = outcomes[index];
    if (outcome?.status !== "rejected") continue;
    const { error, code } = outcome;
    failures.push({ reason: "rejected", event, error, code, file });
    records.push({ event, error, code, rejectedAt: at });
  }
  for (const { offset, length, bytes } of damage) {
    failures.push({ reason: "damaged", file: segment.path, offset, length });
    records.push({ damaged: bytes.toString("base64"), segment: segment.path, offset, foundAt: at });
  }
  if (records.length > 0) await onDisk(keepDeadLetters(file, records));
  try {
    await advance(subJournal, segment, batch);
  } catch (error) {
    // Noted in memory all the same. After a crash the batch is sent again under its keys, and counts once.
    settings.onFailed({ reason: "disk", error });
  }
  for (const failure of failures) settings.onFailed(failure);
  return {
    // Read for whoever asks for them.
    get events() {
      return batch.events();
    },
    recorded: counts.recorded,
    duplicates: counts.duplicate,
    rejected: counts.rejected,
  };
}

/** An error of the journal's own files, which says nothing about the API. Its `cause` is the system's error. */
export class DiskError extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

async function onDisk<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new DiskError(error);
  }
}
