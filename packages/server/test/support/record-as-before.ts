import { v7 as uuidv7 } from "uuid";
import { onlyRow, type Queryable } from "../../src/store/database.ts";

/** The statement by which servers of schema 8 recorded events, to the letter. */
const RECORD = `/* record-events */
WITH open_period AS MATERIALIZED (
  SELECT id, environment_id, starts_at, ends_at, time_zone FROM periods
  WHERE status = 'open' AND environment_id = ANY ($6::uuid[])
  ORDER BY id
  FOR SHARE
),
series AS MATERIALIZED (
  SELECT array_agg(s.environment_id ORDER BY s.ord) AS environment_ids,
         array_agg(agent.id ORDER BY s.ord) AS agent_ids,
         array_agg(agent.customer_id ORDER BY s.ord) AS customer_ids,
         array_agg(meter.id ORDER BY s.ord) AS meter_ids,
         array_agg(meter.max_quantity_per_call ORDER BY s.ord) AS max_quantities,
         array_agg(NOT $12::boolean AND EXISTS (
           SELECT 1 FROM budgets b WHERE b.agent_id = agent.id AND b.meter_id = meter.id AND b.enforced
         ) ORDER BY s.ord) AS unchecked,
         array_agg(open.id ORDER BY s.ord) AS period_ids,
         array_agg((s.occurred_at AT TIME ZONE coalesce(open.time_zone, e.time_zone, account.time_zone))::date ORDER BY s.ord) AS days,
         array_agg(s.occurred_at ORDER BY s.ord) AS times
  FROM unnest($6::uuid[], $7::uuid[], $8::text[], $9::timestamptz[])
    WITH ORDINALITY AS s (environment_id, agent_id, meter_name, occurred_at, ord)
  LEFT JOIN environments e ON e.id = s.environment_id
  LEFT JOIN accounts account ON account.id = e.account_id
  LEFT JOIN agents agent ON agent.environment_id = s.environment_id AND agent.id = s.agent_id
  LEFT JOIN meters meter ON meter.environment_id = s.environment_id AND meter.name = s.meter_name
  LEFT JOIN LATERAL (
    SELECT o.id, o.time_zone FROM open_period o
    WHERE o.environment_id = s.environment_id AND o.ends_at > s.occurred_at
    ORDER BY o.starts_at LIMIT 1
  ) open ON true
),
recorded AS (
  INSERT INTO usage_events
    (id, environment_id, period_id, agent_id, customer_id, meter_id, quantity, idempotency_key, occurred_at, created_at, metadata)
  SELECT p.id, s.environment_ids[p.series], s.period_ids[p.series], s.agent_ids[p.series], s.customer_ids[p.series],
         s.meter_ids[p.series], p.quantity, p.idempotency_key, s.times[p.series], $10, p.metadata::jsonb
  FROM series s
  CROSS JOIN unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::text[], $11::boolean[])
    AS p (id, series, quantity, idempotency_key, metadata, by_agent)
  WHERE s.agent_ids[p.series] IS NOT NULL AND s.meter_ids[p.series] IS NOT NULL AND s.period_ids[p.series] IS NOT NULL
    AND (NOT p.by_agent OR (p.quantity <= s.max_quantities[p.series] AND NOT s.unchecked[p.series]))
  ON CONFLICT (environment_id, agent_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
  RETURNING id, environment_id, period_id, agent_id, customer_id, meter_id, quantity, occurred_at
),
counted AS (
  INSERT INTO usage_totals AS t
    (environment_id, period_id, agent_id, customer_id, meter_id, day, quantity, event_count)
  SELECT r.environment_id, r.period_id, r.agent_id, r.customer_id, r.meter_id,
         (r.occurred_at AT TIME ZONE coalesce(period.time_zone, e.time_zone, account.time_zone))::date,
         sum(r.quantity), sum(r.event_count)
  FROM (
    SELECT environment_id, period_id, agent_id, customer_id, meter_id, occurred_at,
           sum(quantity) AS quantity, count(*) AS event_count
    FROM recorded GROUP BY 1, 2, 3, 4, 5, 6
  ) r
  JOIN periods period ON period.id = r.period_id
  JOIN environments e ON e.id = r.environment_id
  JOIN accounts account ON account.id = e.account_id
  GROUP BY 1, 2, 3, 4, 5, 6
  ORDER BY 2, 3, 5, 6, 4
  ON CONFLICT (period_id, agent_id, meter_id, day, customer_id)
  DO UPDATE SET quantity = t.quantity + EXCLUDED.quantity, event_count = t.event_count + EXCLUDED.event_count
)
SELECT agent_ids::text[], meter_ids::text[], period_ids::text[], days::text[], max_quantities, unchecked,
       CASE WHEN (SELECT count(*) FROM recorded) < cardinality($1::uuid[])
         THEN (SELECT coalesce(array_agg(id), '{}') FROM recorded)::text[] END AS recorded_ids
FROM series`;

/** Usage as {@link recordAsBefore} takes it. */
export interface UsageBefore {
  readonly environmentId: string;
  readonly agentId: string;
  readonly key: string | null;
  readonly quantity: number;
  readonly id?: string;
}

/** Records usage of `api_calls` as servers of schema 8 did, and answers the event's id, the first one's for a key. */
export async function recordAsBefore(
  db: Queryable,
  { environmentId, agentId, key, quantity, id = uuidv7() }: UsageBefore,
  now = new Date(),
): Promise<string> {
  const { recorded_ids: recorded, period_ids: periods } = onlyRow(
    await db.query<{ recorded_ids: string[] | null; period_ids: (string | null)[] }>(RECORD, [
      [id],
      [1],
      [quantity],
      [key],
      [null],
      [environmentId],
      [agentId],
      ["api_calls"],
      [now.toISOString()],
      now,
      [true],
      false,
    ]),
  );
  if (periods[0] === null) throw new Error("no period is open");
  if (recorded === null) return id;
  const first = await db.query<{ id: string }>(
    `SELECT u.id FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS p (environment_id, agent_id, idempotency_key)
     JOIN usage_events u USING (environment_id, agent_id, idempotency_key)`,
    [[environmentId], [agentId], [key]],
  );
  return onlyRow(first).id;
}
