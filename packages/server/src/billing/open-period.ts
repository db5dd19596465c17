import { clockSkew } from "../store/clock-skew.ts";
import type { Database, Queryable } from "../store/database.ts";
import { boundsAfterLast } from "./period-bounds.ts";

/**
 * Makes sure that there is an open period for `now`; it is to run in a transaction. A period is a calendar month in the
 * account's time zone; where the month's first part was closed early, the rest of it is the next period. A clock that
 * is behind the one by which the last period was closed opens what follows that, and never a month again that is over.
 * A new currency or time zone counts from here on; the month after one that ended in another zone is the next month
 * still, with a first day that is longer or shorter.
 * The lock on the environment lets one process at a time decide; it does not hold up rows that only refer to the
 * environment.
 */
export async function openPeriod(
  tx: Queryable,
  environmentId: string,
  { newId, now }: { newId: () => string; now: Date },
): Promise<void> {
  await tx.query("SELECT 1 FROM environments WHERE id = $1 FOR NO KEY UPDATE", [environmentId]);
  await tx.query(
    `INSERT INTO periods (id, environment_id, status, starts_at, ends_at, currency, time_zone, created_at)
     SELECT $1, e.id, 'open', bounds.starts_at, bounds.ends_at, coalesce(e.currency, a.currency), zone.name, $3
     FROM environments e
     JOIN accounts a ON a.id = e.account_id
     CROSS JOIN LATERAL (SELECT coalesce(e.time_zone, a.time_zone) AS name) zone
     LEFT JOIN LATERAL (
       SELECT p.ends_at, coalesce(p.time_zone, zone.name) AS zone FROM periods p WHERE p.environment_id = e.id
       ORDER BY p.ends_at DESC LIMIT 1
     ) last ON true
     CROSS JOIN LATERAL ${boundsAfterLast("$3::timestamptz")} bounds
     WHERE e.id = $2 AND NOT EXISTS (
       SELECT 1 FROM periods p WHERE p.environment_id = e.id AND p.status = 'open' AND p.ends_at > $3
     )`,
    [newId(), environmentId, now],
  );
}

/**
 * Opens the period of now wherever a minimum is agreed, which counts for a month without any usage, too. It takes no
 * usage to do so, and so nobody looks at the clock: one that differs too much from the database's opens nothing.
 */
export async function openPeriodsOfMinimums(
  db: Database,
  {
    maxClockSkew,
    newId,
    now: clock,
  }: { readonly maxClockSkew: number; readonly newId: () => string; readonly now: () => Date },
): Promise<void> {
  const now = clock();
  const due = await db.query<{ environment_id: string }>(
    `SELECT DISTINCT t.environment_id FROM customer_terms t
     WHERE t.kind = 'minimum' AND t.terms IS NOT NULL AND t.effective_from <= $1 AND NOT EXISTS (
       SELECT 1 FROM periods p WHERE p.environment_id = t.environment_id AND p.status = 'open' AND p.ends_at > $1
     )`,
    [now],
  );
  if (due.length === 0 || Math.abs(await clockSkew(db, () => now)) > maxClockSkew) return;
  for (const { environment_id: environmentId } of due) {
    await db.transaction((tx) => openPeriod(tx, environmentId, { newId, now }));
  }
}
