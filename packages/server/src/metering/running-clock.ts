/**
 * Joins what runs in an environment at `$1`: `period`, which takes usage now and is null where none is open yet, `zone`,
 * and `clock`, with the day and the month in that zone. `e` is the environment and `a` its account.
 *
 * @param environmentId SQL of its id.
 */
export const joinClock = (environmentId: string) => `
JOIN environments e ON e.id = ${environmentId}
JOIN accounts a ON a.id = e.account_id
LEFT JOIN LATERAL (
  SELECT p.id, p.starts_at, p.ends_at, p.time_zone, p.currency FROM periods p
  WHERE p.environment_id = ${environmentId} AND p.status = 'open' AND p.ends_at > $1
  ORDER BY p.starts_at LIMIT 1
) period ON true
CROSS JOIN LATERAL (SELECT coalesce(period.time_zone, e.time_zone, a.time_zone) AS name) zone
CROSS JOIN LATERAL (
  SELECT ($1::timestamptz AT TIME ZONE zone.name)::date AS today,
    (($1::timestamptz AT TIME ZONE zone.name)::date + 1)::timestamp AT TIME ZONE zone.name AS tomorrow,
    (date_trunc('month', $1::timestamptz AT TIME ZONE zone.name) + interval '1 month') AT TIME ZONE zone.name
      AS next_month
) clock`;
