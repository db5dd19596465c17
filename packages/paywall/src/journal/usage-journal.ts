import type { Delivered, DeliveryOutcome, JournalFailure } from "./delivery.ts";
import type { EventBatch } from "./event-batch.ts";
import type { Journal } from "./journal.ts";
import type { JournalEvent } from "./journal-event.ts";

/** The paywall's own part in the journal that it opens. */
export interface JournalOwner {
  /** The API that usage is delivered to. */
  readonly baseUrl: string;
  /** The management key that it is delivered with; null where a client of the owner's own has it. */
  readonly apiKey: string | null;
  /** Delivers usage, one outcome for each event in their order. */
  readonly deliver: (
    events: readonly JournalEvent[],
    call: { signal: AbortSignal },
  ) => Promise<readonly DeliveryOutcome[]>;
  /** Delivers usage that is JSON already, one outcome for each event in their order. */
  readonly deliverBatch: (
    batch: EventBatch,
    call: { signal: AbortSignal },
  ) => Promise<readonly DeliveryOutcome[]>;
  /** The pause that an error asks for, in milliseconds. */
  readonly retryAfter: (error: unknown) => number | undefined;
  /** Called after the API has answered a batch. */
  readonly onDelivered: (delivered: Delivered) => void;
  /** Called for every failure. */
  readonly onFailed: (failure: JournalFailure) => void;
}

/**
 * A place where usage waits for its delivery, for the option `journal` of `createPaywall`. Made by `fileJournal` of
 * `@licentric/paywall/journal`.
 */
export interface UsageJournal {
  /** Opens the journal for a paywall, which calls it by itself. */
  open(owner: JournalOwner): Promise<Journal>;
}
