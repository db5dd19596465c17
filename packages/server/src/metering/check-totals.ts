import { type Database, onlyRow, type Queryable } from "../store/database.ts";

/** A total that is not the sum of its events. */
export interface TotalsDifference {
  readonly environmentId: string;
  readonly periodId: string;
  readonly agentId: string;
  readonly customerId: string | null;
  readonly meterName: string | null;
  /** In the account's time zone, `YYYY-MM-DD`. */
  readonly day: string;
  /** Total that is stored, and billed. */
  readonly kept: { readonly quantity: string; readonly eventCount: string };
  /** Total that the events add up to. */
  readonly computed: { readonly quantity: string; readonly eventCount: string };
}

interface DifferenceRow {
  environment_id: string;
  period_id: string;
  agent_id: string;
  customer_id: string | null;
  meter_name: string | null;
  day: string;
  kept_quantity: string;
  kept_count: string;
  quantity: string;
  event_count: string;
}

const DIFFERENCES = `
WITH computed AS (
  SELECT u.environment_id, u.period_id, u.agent_id, u.customer_id, u.meter_id,
         (u.occurred_at AT TIME ZONE coalesce(p.time_zone, e.time_zone, a.time_zone))::date AS day,
         sum(u.quantity) AS quantity, count(*) AS event_count
  FROM metered_events u
  LEFT JOIN periods p ON p.id = u.period_id
  JOIN environments e ON e.id = u.environment_id
  JOIN accounts a ON a.id = e.account_id
  WHERE $1::uuid IS NULL OR u.environment_id = $1 AND u.period_id = $2
  GROUP BY 1, 2, 3, 4, 5, 6
),
compared AS (
  SELECT environment_id, period_id, agent_id, customer_id, meter_id, day,
         sum(kept_quantity) AS kept_quantity, sum(kept_count) AS kept_count,
         sum(quantity) AS quantity, sum(event_count) AS event_count
  FROM (
    SELECT environment_id, period_id, agent_id, customer_id, meter_id, day,
           quantity AS kept_quantity, event_count AS kept_count, 0 AS quantity, 0 AS event_count
    FROM usage_totals WHERE $1::uuid IS NULL OR environment_id = $1 AND period_id = $2
    UNION ALL
    SELECT environment_id, period_id, agent_id, customer_id, meter_id, day, 0, 0, quantity, event_count
    FROM computed
    UNION ALL
    SELECT environment_id, period_id, agent_id, customer_id, meter_id, day, 0, 0, quantity, event_count
    FROM archived_totals WHERE $1::uuid IS NULL OR environment_id = $1 AND period_id = $2
  ) both_sides
  GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT c.environment_id, c.period_id, c.agent_id, c.customer_id, m.name AS meter_name, c.day,
       c.kept_quantity::text, c.kept_count::text, c.quantity::text, c.event_count::text
FROM compared c LEFT JOIN meters m ON m.id = c.meter_id
WHERE c.kept_quantity <> c.quantity OR c.kept_count <> c.event_count
ORDER BY 1, 2, 3, 4, 5, 6`;

/** Counts a period's archived events: a file has them, and the database only their sums. */
export async function countArchived(
  db: Queryable,
  { environmentId, periodId }: { readonly environmentId: string; readonly periodId: string },
): Promise<number> {
  const rows = await db.query<{ count: number }>(
    `SELECT coalesce(sum(event_count), 0)::bigint AS count FROM archived_totals
     WHERE environment_id = $1 AND period_id = $2`,
    [environmentId, periodId],
  );
  return onlyRow(rows).count;
}

/**
 * Sums all events up again, with the sums of those that are archived, and compares them with the totals that are kept as events arrive. It reads one
 * snapshot, so it can run while usage is being recorded; it reads every event, so it takes its time.
 *
 * @param of one period alone; all of them by default.
 * @returns what differs: an empty list where all is well.
 *
 * @example
 * ```ts
 * const differences = await checkTotals(db);
 * if (differences.length > 0) process.exitCode = 1;
 * ```
 */
export async function checkTotals(
  db: Database,
  of: { readonly environmentId: string; readonly periodId: string } | null = null,
): Promise<TotalsDifference[]> {
  const rows = await db.transaction(
    (tx) => tx.query<DifferenceRow>(DIFFERENCES, [of?.environmentId ?? null, of?.periodId ?? null]),
    { queryTimeout: 0 },
  );
  return rows.map((row) => ({
    environmentId: row.environment_id,
    periodId: row.period_id,
    agentId: row.agent_id,
    customerId: row.customer_id,
    meterName: row.meter_name,
    day: row.day,
    kept: { quantity: row.kept_quantity, eventCount: row.kept_count },
    computed: { quantity: row.quantity, eventCount: row.event_count },
  }));
}
