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
 * The bounds of the period that follows on the last one, where it opens at a moment, as a subquery: `starts_at` and
 * `ends_at`. A period is a calendar month in the account's time zone; where the month's first part is over, the rest of it
 * is the next period. The month after one that ended in another zone is the next month still, with a first day that is
 * longer or shorter.
 *
 * @param moment SQL of the moment. `zone.name` is the account's time zone, and `last` has the last period's `ends_at`
 *   and `zone`, null where there is none.
 */
export const boundsAfterLast = (moment: string) => `(
  SELECT CASE WHEN date_trunc('month', last.ends_at AT TIME ZONE last.zone) = month.starts_at THEN last.ends_at
      ELSE ${MONTH_START} END AS starts_at,
    ${MONTH_END} AS ends_at
  FROM (SELECT date_trunc('month', greatest(
    greatest(${moment}, last.ends_at) AT TIME ZONE zone.name, last.ends_at AT TIME ZONE last.zone
  )) AS starts_at) month
)`;

/**
 * The end of the period `p` once it is closed: one that is closed early ends then.
 *
 * @param moment SQL of the moment at which it is closed, where it is open still.
 */
export const endOnceClosed = (moment: string) => `CASE p.status WHEN 'open'
  THEN least(p.ends_at, greatest(p.starts_at, ${moment}::timestamptz)) ELSE p.ends_at END`;

/** The period that a moment is in, or will be once it opens, as a subquery: `starts_at` and `ends_at`. */
export const periodAt = (environmentId: string, moment: string) => `(
  SELECT coalesce(own.starts_at, bounds.starts_at) AS starts_at, coalesce(own.ends_at, bounds.ends_at) AS ends_at
  FROM (
    SELECT coalesce(e.time_zone, a.time_zone) AS name FROM environments e JOIN accounts a ON a.id = e.account_id
    WHERE e.id = ${environmentId}
  ) zone
  LEFT JOIN LATERAL (
    SELECT o.starts_at, o.ends_at FROM periods o
    WHERE o.environment_id = ${environmentId} AND o.starts_at <= ${moment} AND o.ends_at > ${moment}
    ORDER BY o.starts_at LIMIT 1
  ) own ON true
  LEFT JOIN LATERAL (
    SELECT o.ends_at, coalesce(o.time_zone, zone.name) AS zone FROM periods o
    WHERE o.environment_id = ${environmentId} AND o.ends_at <= ${moment} ORDER BY o.ends_at DESC LIMIT 1
  ) last ON true
  CROSS JOIN LATERAL ${boundsAfterLast(moment)} bounds
)`;
