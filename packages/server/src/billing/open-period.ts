import type { Queryable } from "../store/database.ts";

/**
 * The first moment of a local time: where clocks are put back over it there are two, and the month begins with the
 * first. Alone, `AT TIME ZONE` takes the second.
 *
 * @param local SQL of a timestamp in the time zone that `zone.name` is.
 */
export const firstMoment = (
  local: string,
) => `(SELECT CASE WHEN earlier.at AT TIME ZONE zone.name = ${local} THEN earlier.at
    ELSE ${local} AT TIME ZONE zone.name END
  FROM (SELECT (${local} AT TIME ZONE zone.name) - interval '12 hours' AS at) before,
  LATERAL (SELECT (${local} - ((before.at AT TIME ZONE zone.name) - (before.at AT TIME ZONE 'UTC'))) AT TIME ZONE 'UTC' AS at)
    earlier)`;
const MONTH_START = firstMoment("month.starts_at");
const MONTH_END = firstMoment("(month.starts_at + interval '1 month')");

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
     SELECT $1, e.id, 'open',
       CASE WHEN date_trunc('month', last.ends_at AT TIME ZONE last.zone) = month.starts_at THEN last.ends_at
         ELSE ${MONTH_START} END,
       ${MONTH_END}, coalesce(e.currency, a.currency), zone.name, $3
     FROM environments e
     JOIN accounts a ON a.id = e.account_id
     CROSS JOIN LATERAL (SELECT coalesce(e.time_zone, a.time_zone) AS name) zone
     LEFT JOIN LATERAL (
       SELECT p.ends_at, coalesce(p.time_zone, zone.name) AS zone FROM periods p WHERE p.environment_id = e.id
       ORDER BY p.ends_at DESC LIMIT 1
     ) last ON true
     CROSS JOIN LATERAL (
       SELECT date_trunc('month', greatest(
         greatest($3::timestamptz, last.ends_at) AT TIME ZONE zone.name, last.ends_at AT TIME ZONE last.zone
       )) AS starts_at
     ) month
     WHERE e.id = $2 AND NOT EXISTS (
       SELECT 1 FROM periods p WHERE p.environment_id = e.id AND p.status = 'open' AND p.ends_at > $3
     )`,
    [newId(), environmentId, now],
  );
}
