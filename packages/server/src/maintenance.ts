import type { Queryable } from "./store/database.ts";

const DAY = 86_400_000;
/** Stripe sends an event again for up to 30 days, when asked to. */
const STRIPE_EVENTS_KEPT = 60 * DAY;
const DELIVERIES_KEPT = 30 * DAY;
/** A count is of use for its minute alone; clocks of processes differ. */
const RATE_LIMITS_KEPT = DAY / 24;

/** Removes what is only kept for a time: remembered events of Stripe's, finished deliveries, past request counts. */
export async function removeExpired(db: Queryable, now: Date): Promise<void> {
  const before = (age: number) => new Date(now.getTime() - age);
  await db.query("DELETE FROM stripe_events WHERE received_at < $1", [before(STRIPE_EVENTS_KEPT)]);
  await db.query("DELETE FROM webhook_deliveries WHERE next_attempt_at IS NULL AND created_at < $1", [
    before(DELIVERIES_KEPT),
  ]);
  await db.query("DELETE FROM rate_limits WHERE window_start < $1", [before(RATE_LIMITS_KEPT)]);
}
