import { JournalError } from "./journal-error.ts";

/** Usage that waits to be recorded: the wire's new usage event, with every member that makes it exact. */
export interface JournalEvent {
  /** Names this event alone, 1 to 255 characters. It is sent on every attempt, so that repeating counts once. */
  readonly idempotencyKey: string;
  /** The moment of the usage, ISO 8601 UTC. */
  readonly timestamp: string;
  readonly agentId: string;
  readonly meterName: string;
  /** A whole number of the meter's unit, 1 to 1,000,000,000. */
  readonly quantity: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

const MAX_QUANTITY = 1_000_000_000;

/**
 * Takes the members that are billed and nothing else, so that a token or an argument which somebody left on the
 * object never reaches the disk.
 *
 * @throws {JournalError} `JOURNAL_INVALID_EVENT` where a member is missing or out of range.
 */
export function billedMembers(event: JournalEvent): JournalEvent {
  const { idempotencyKey, timestamp, agentId, meterName, quantity, metadata } = event;
  const problem = problemOf(event);
  if (problem !== undefined) throw new JournalError("JOURNAL_INVALID_EVENT", problem);
  return {
    idempotencyKey,
    timestamp,
    agentId,
    meterName,
    quantity,
    ...(metadata !== undefined && { metadata }),
  };
}

/** Returns whether a value read from disk is an event. */
export function isJournalEvent(value: unknown): value is JournalEvent {
  return problemOf(value) === undefined;
}

function problemOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return "a usage event is an object";
  const event: Partial<Record<keyof JournalEvent, unknown>> = value;
  for (const member of ["idempotencyKey", "timestamp", "agentId", "meterName"] as const) {
    const text = event[member];
    if (typeof text !== "string" || text.length < 1 || text.length > 255) {
      return `a usage event's ${member} must be a text of 1 to 255 characters`;
    }
  }
  const { quantity, metadata } = event;
  if (
    typeof quantity !== "number" ||
    !Number.isInteger(quantity) ||
    quantity < 1 ||
    quantity > MAX_QUANTITY
  ) {
    return `a usage event's quantity must be a whole number from 1 to ${MAX_QUANTITY}`;
  }
  if (metadata !== undefined && (typeof metadata !== "object" || metadata === null)) {
    return "a usage event's metadata must be an object of texts";
  }
  return undefined;
}
