import type { JournalEvent } from "./journal-event.ts";

/** Usage events that are JSON already. */
export interface EventBatch {
  /** `{"events":[…]}`, in UTF-8: the body of a request that records them. */
  readonly json: Uint8Array;
  /** The number of events. */
  readonly count: number;
  /** Reads the events. */
  events(): readonly JournalEvent[];
}

/** Makes a batch of events. */
export function toEventBatch(events: readonly JournalEvent[]): EventBatch {
  const json = new TextEncoder().encode(JSON.stringify({ events }));
  return { json, count: events.length, events: () => events };
}
