import { DatabaseUnavailableError, sqlState, type Unavailability } from "./database.ts";

// Classes of SQLSTATE, and the codes of others, that say nothing about what was asked for: the connection is lost (08,
// 57P), there is no room (53), somebody or a limit ended it (57), the system failed (58), it takes no changes (25006),
// a transaction was left alone for too long (25P03, 25P04), or stood in another's way (40, 55P03).
const REASONS: readonly (readonly [states: RegExp, reason: Unavailability])[] = [
  [/^25006$/, "read-only"],
  [/^53100$/, "disk-full"],
  [/^(08|57P|58)/, "unreachable"],
  [/^(40|53|57|25P0[34]$|55P03$)/, "busy"],
];

/** The error as whoever asks is told of it: a fault of the machine's is a {@link DatabaseUnavailableError}. */
export function asUnavailable(error: unknown): unknown {
  const state = sqlState(error);
  if (state === undefined || !(error instanceof Error)) return error;
  const reason = REASONS.find(([states]) => states.test(state))?.[1];
  if (reason === undefined) return error;
  return new DatabaseUnavailableError(`The database does not do it now (${state}): ${error.message}`, {
    reason,
    cause: error,
  });
}

/** Checks whether the database refused a statement because of a value in it or in a row that it meets. */
export function isFaultOfValues(error: unknown): boolean {
  return /^2[23]/.test(sqlState(error) ?? "");
}

/**
 * Checks whether the connection no longer has what the statement was prepared for: its tables have changed,
 * or a pooler has put another connection in its place.
 */
export function isStaleStatement(error: unknown): boolean {
  return isStalePlan(error) || isUnknownStatement(error);
}

/** Checks whether a statement prepared by name is missing, or exists already: only a pooler causes that. */
export function isUnknownStatement(error: unknown): boolean {
  return /^(26000|42P05)$/.test(sqlState(error) ?? "");
}

// The state alone would stand for anything that PostgreSQL does not support.
function isStalePlan(error: unknown): boolean {
  return sqlState(error) === "0A000" && error instanceof Error && /cached plan/.test(error.message);
}

/** Checks whether it is certain that nothing was done, and the same may succeed at once. */
export function isRolledBack(error: unknown): boolean {
  return (
    /^(40001|40P01|55P03|57014)$/.test(sqlState(error) ?? "") ||
    isStaleStatement(error) ||
    isKeyOfVersionBefore(error)
  );
}

/**
 * Checks whether a server of the previous version recorded an event with the same idempotency key at the same
 * moment.
 */
function isKeyOfVersionBefore(error: unknown): boolean {
  if (sqlState(error) !== "23505" || !(error instanceof Error) || !("constraint" in error)) return false;
  return error.constraint === "usage_events_idempotency";
}
