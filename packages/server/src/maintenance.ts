import type { Database } from "./store/database.ts";

const DAY = 86_400_000;
/** Stripe sends an event again for up to 30 days, when asked to. */
const STRIPE_EVENTS_KEPT = 60 * DAY;
const DELIVERIES_KEPT = 30 * DAY;
/** A count is of use for its minute alone; clocks of processes differ. */
const RATE_LIMITS_KEPT = DAY / 24;
/** Milliseconds for one of the statements: no request waits for it, and there may be much to remove. */
const LIMIT = 60_000;

/**
 * Removes what is only kept for a time: remembered events of Stripe's, finished deliveries, the
 * console's codes that were not used, past request counts.
 */
export async function removeExpired(db: Database, now: Date): Promise<void> {
  const remove = (statement: string, age: number) =>
    db.transaction((tx) => tx.query(statement, [new Date(now.getTime() - age)]), { queryTimeout: LIMIT });
  await remove("DELETE FROM stripe_events WHERE received_at < $1", STRIPE_EVENTS_KEPT);
  await remove(
    "DELETE FROM webhook_deliveries WHERE next_attempt_at IS NULL AND created_at < $1",
    DELIVERIES_KEPT,
  );
  await remove("DELETE FROM console_codes WHERE expires_at < $1", 0);
  await remove("DELETE FROM rate_limits WHERE window_start < $1", RATE_LIMITS_KEPT);
}
