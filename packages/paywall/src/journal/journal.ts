import type { Delivered, DeliveryOutcome, JournalFailure } from "./delivery.ts";
import type { EventBatch } from "./event-batch.ts";
import type { JournalEvent } from "./journal-event.ts";
import type { Durability } from "./segment-writer.ts";

/** Options of `openJournal`. Times are in milliseconds. */
export interface JournalOptions {
  /**
   * The journal's directory: on a local disk that survives a restart, readable by its owner alone. Several
   * processes may share it. It is made (0700) when missing; files in it are 0600.
   */
  readonly directory: string;
  /**
   * Sends events to the API and returns one outcome for each, in their order. Throw when the API is away or
   * refuses the whole batch: it is kept and sent again. To give up on a batch, return `rejected` for each event.
   * The signal ends with `deliveryTimeout` and with `close()`.
   */
  readonly deliver: (
    events: readonly JournalEvent[],
    call: { signal: AbortSignal },
  ) => Promise<readonly DeliveryOutcome[]>;
  /**
   * Sends events that are JSON already, in place of `deliver`: the journal then sends its lines as they lie, and reads
   * back what was rejected.
   */
  readonly deliverBatch?: (
    batch: EventBatch,
    call: { signal: AbortSignal },
  ) => Promise<readonly DeliveryOutcome[]>;
  /** The fault that an acknowledged event survives; `"process"` (kill -9, not a power cut) by default. */
  readonly durability?: Durability;
  /** Most events in one request, 1 to 1000; 1000 by default. */
  readonly batchSize?: number;
  /** Milliseconds for which an event waits for others to share its request; 1000 by default. A full batch does not wait. */
  readonly flushInterval?: number;
  /** Bytes that may wait for delivery; over it `append` refuses. 256 MiB by default, some 1.2 million events. */
  readonly maxBytes?: number;
  /** Bytes after which a new file is begun; 4 MiB by default. A file is deleted when it is delivered. */
  readonly segmentBytes?: number;
  /** Milliseconds that one request may take; 30 000 by default. */
  readonly deliveryTimeout?: number;
  /** The first and the longest pause after a failed request: they double from one to the other. 250 and 30 000. */
  readonly retryDelay?: { readonly first?: number; readonly longest?: number };
  /**
   * The pause that an error asks for (`Retry-After`), in milliseconds; the backoff's own where it is longer. Five
   * minutes at most are waited, whatever is asked: `flush()` tries at once.
   */
  readonly retryAfter?: (error: unknown) => number | undefined;
  /** Milliseconds between looks for what dead processes left; 15 000 by default. */
  readonly adoptInterval?: number;
  /** Called after the API answered a batch and that was noted on disk. */
  readonly onDelivered?: (delivered: Delivered) => void;
  /** Called for every failure, each event that was refused included. */
  readonly onFailed?: (failure: JournalFailure) => void;
  /** The present moment, for dead letters; `Date.now` by default. */
  readonly now?: () => number;
  /** A number from 0 to 1 that spreads retries; `Math.random` by default. */
  readonly random?: () => number;
}

/** The amount of usage that waits for delivery. */
export interface JournalState {
  readonly pendingEvents: number;
  readonly pendingBytes: number;
  /** Failed requests since the last that succeeded; above zero the API is away. */
  readonly failedAttempts: number;
}

/** A durable queue of usage events. */
export interface Journal {
  /** The directory of its files. */
  readonly directory: string;
  /**
   * Resolves when the event is durable (see `durability`). It is then delivered, by this process or a later one.
   *
   * @throws {JournalError} `JOURNAL_FULL`, `JOURNAL_WRITE_FAILED`, `JOURNAL_CLOSED` or `JOURNAL_INVALID_EVENT`:
   * the event was not taken and will not be billed.
   */
  append(event: JournalEvent): Promise<void>;
  /**
   * Delivers everything appended so far, at once.
   *
   * @throws {JournalError} `JOURNAL_DELIVERY_FAILED` with the reason as `cause`. The events stay and are retried.
   */
  flush(): Promise<void>;
  /**
   * Takes no more events, delivers what it can within `timeout` milliseconds (5000 by default; with 0, nothing) and
   * lets go of the directory. What is left stays on disk for the next process. Never rejects for an API that is away: the answer
   * says what is left.
   */
  close(options?: { timeout?: number }): Promise<JournalState>;
  /** Returns the amount that waits for delivery, in this process's care. */
  state(): JournalState;
}
