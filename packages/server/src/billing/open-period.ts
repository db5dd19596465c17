import type { Queryable } from "../store/database.ts";

/**
 * Makes sure that there is an open period for `now`; it is to run in a transaction. A period is a calendar month in the
 * account's time zone; where the month's first part was closed early, the rest of it is the next period. A clock that
 * is behind the one by which the last period was closed opens what follows that, and never a month again that is over.
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
    `INSERT INTO periods (id, environment_id, status, starts_at, ends_at, created_at)
     SELECT $1, e.id, 'open', greatest(month.starts_at, last.ends_at), month.ends_at, $3
     FROM environments e
     JOIN accounts a ON a.id = e.account_id
     CROSS JOIN LATERAL (SELECT max(p.ends_at) AS ends_at FROM periods p WHERE p.environment_id = e.id) last
     CROSS JOIN LATERAL (
       SELECT date_trunc('month', opened.at, a.time_zone) AS starts_at,
              (date_trunc('month', opened.at AT TIME ZONE a.time_zone) + interval '1 month')
                AT TIME ZONE a.time_zone AS ends_at
       FROM (SELECT greatest($3::timestamptz, last.ends_at) AS at) opened
     ) month
     WHERE e.id = $2 AND NOT EXISTS (
       SELECT 1 FROM periods p WHERE p.environment_id = e.id AND p.status = 'open' AND p.ends_at > $3
     )`,
    [newId(), environmentId, now],
  );
}
