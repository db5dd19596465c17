import type { Database, Queryable } from "../store/database.ts";
import { partitionOf } from "../store/event-partitions.ts";
import { leastId, type Month } from "../store/month.ts";

const EVENTS_AT_ONCE = 1_000;
const LOCK_TIMEOUT = 1_000;

/** The periods of an environment whose events are gone. */
export interface RemovedPeriods {
  readonly environmentId: string;
  readonly periodIds: readonly string[];
}

/** Adds what the rows `gone` sum up to to the sums that stay; `$1` is the month. */
const KEEP_SUMS = `
INSERT INTO archived_totals AS t
  (month, environment_id, period_id, agent_id, customer_id, meter_id, day, quantity, event_count)
SELECT $1::date, g.environment_id, g.period_id, g.agent_id, g.customer_id, g.meter_id,
  (g.occurred_at AT TIME ZONE coalesce(p.time_zone, e.time_zone, a.time_zone))::date, sum(g.quantity), count(*)
FROM gone g
LEFT JOIN periods p ON p.id = g.period_id
JOIN environments e ON e.id = g.environment_id
JOIN accounts a ON a.id = e.account_id
GROUP BY 1, 2, 3, 4, 5, 6, 7
ON CONFLICT (period_id, agent_id, meter_id, day, customer_id, month)
DO UPDATE SET quantity = t.quantity + EXCLUDED.quantity, event_count = t.event_count + EXCLUDED.event_count`;

/**
 * Removes a month's events, each together with the keeping of its sums, so that at every moment events and sums
 * together are what the totals say. A partition of PostgreSQL's goes as a whole; else they go in batches, for which
 * nobody waits, and a run that was broken off goes on.
 *
 * @param done is called in the last transaction; not by a process that comes second.
 */
export async function removeMonth(
  db: Database,
  month: Month,
  done: (tx: Queryable, periods: readonly RemovedPeriods[]) => Promise<void>,
): Promise<void> {
  const partition = await partitionThere(db, month);
  const whole = db.kind === "postgres" && partition !== null;
  if (!whole) await removeInBatches(db, month);
  await db.transaction(
    async (tx) => {
      const left = await tx.query(
        "SELECT 1 FROM archived_months WHERE month = $1 AND removed_at IS NULL FOR UPDATE",
        [`${month.name}-01`],
      );
      if (left.length === 0) return;
      await tx.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT}`);
      if (partition !== null) {
        // Against what a clock that is behind may still record; readers go on until the table is dropped.
        await tx.query(`LOCK TABLE ${partition} IN SHARE MODE`);
        await tx.query(`WITH gone AS (SELECT * FROM ${partition}) ${KEEP_SUMS}`, [`${month.name}-01`]);
        await tx.query(`DROP TABLE ${partition}`);
      }
      const periods = await tx.query<RemovedPeriods>(
        `SELECT environment_id AS "environmentId", array_agg(DISTINCT period_id::text) AS "periodIds"
         FROM archived_totals WHERE month = $1 GROUP BY environment_id`,
        [`${month.name}-01`],
      );
      await done(tx, periods);
    },
    { queryTimeout: 0 },
  );
  if (db.kind === "embedded") await db.maintain("VACUUM metered_events");
}

async function partitionThere(db: Database, month: Month): Promise<string | null> {
  const name = partitionOf(month);
  const found = await db.query(
    `SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'metered_events'::regclass AND c.relname = $1`,
    [name],
  );
  return found.length > 0 ? name : null;
}

async function removeInBatches(db: Database, month: Month): Promise<void> {
  const [least, most] = [leastId(month.start), leastId(month.end)];
  for (const { id } of await db.query<{ id: string }>("SELECT id FROM environments ORDER BY id")) {
    for (let more = true; more; ) {
      const left = await db.transaction(async (tx) => {
        const [last] = await tx.query<{ id: string }>(
          `SELECT id FROM metered_events WHERE environment_id = $1 AND id >= $2 AND id < $3
           ORDER BY id OFFSET $4 LIMIT 1`,
          [id, least, most, EVENTS_AT_ONCE],
        );
        await tx.query(
          `WITH gone AS (
             DELETE FROM metered_events WHERE environment_id = $2 AND id >= $3 AND id < $4 RETURNING *
           ) ${KEEP_SUMS}`,
          [`${month.name}-01`, id, least, last?.id ?? most],
        );
        return last !== undefined;
      });
      more = left;
    }
  }
}
