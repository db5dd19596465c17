/**
 * The price of a meter in a period, as a subquery: the one in effect when it starts or, where there was none yet, the
 * first that takes effect before it ends. Of two with the same moment, the one set later counts. Invoices bill by it,
 * and meters and prices are answered by it, so that all three say the same.
 */
export const priceOfPeriod = (meterId: string, startsAt: string, endsAt: string) => `(
  SELECT mp.id, mp.price FROM meter_prices mp
  WHERE mp.meter_id = ${meterId} AND mp.effective_from < ${endsAt}
  ORDER BY mp.effective_from <= ${startsAt} DESC,
           CASE WHEN mp.effective_from <= ${startsAt} THEN mp.effective_from END DESC,
           mp.effective_from, mp.id DESC
  LIMIT 1
)`;

/** The price with which the period begins that follows on a moment. */
export const priceFrom = (meterId: string, moment: string) => `(
  SELECT mp.id, mp.price FROM meter_prices mp WHERE mp.meter_id = ${meterId} AND mp.effective_from <= ${moment}
  ORDER BY mp.effective_from DESC, mp.id DESC LIMIT 1
)`;

/** The period that a moment is in, or will be once it opens, as a subquery: `starts_at` and `ends_at`. */
export const periodAt = (environmentId: string, moment: string) => `(
  SELECT coalesce(own.starts_at, greatest(month.starts_at, past.ends_at)) AS starts_at,
         coalesce(own.ends_at, month.ends_at) AS ends_at
  FROM (
    SELECT date_trunc('month', ${moment}, zone.name) AS starts_at,
      (date_trunc('month', ${moment} AT TIME ZONE zone.name) + interval '1 month') AT TIME ZONE zone.name AS ends_at
    FROM (
      SELECT coalesce(e.time_zone, a.time_zone) AS name FROM environments e JOIN accounts a ON a.id = e.account_id
      WHERE e.id = ${environmentId}
    ) zone
  ) month
  LEFT JOIN LATERAL (
    SELECT o.starts_at, o.ends_at FROM periods o
    WHERE o.environment_id = ${environmentId} AND o.starts_at <= ${moment} AND o.ends_at > ${moment}
    ORDER BY o.starts_at LIMIT 1
  ) own ON true
  LEFT JOIN LATERAL (
    SELECT max(o.ends_at) AS ends_at FROM periods o
    WHERE o.environment_id = ${environmentId} AND o.ends_at <= ${moment}
  ) past ON true
)`;
