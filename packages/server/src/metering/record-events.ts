import type { Queryable } from "../store/database.ts";

/** Usage on its way into the database. */
export interface PendingEvent {
  readonly id: string;
  readonly environmentId: string;
  readonly agentId: string;
  readonly meterName: string;
  readonly quantity: number;
  readonly idempotencyKey: string | null;
  /** When the usage happened; null: at the moment of recording. */
  readonly occurredAt: Date | null;
  readonly metadata: Readonly<Record<string, string>> | null;
}

/** What the statement found out about one pending event. */
export interface RecordRow {
  readonly agent_id: string | null;
  readonly meter_id: string | null;
  readonly period_id: string | null;
  /** When the usage happened, as a day in the account's time zone. */
  readonly day: string;
  /** False where the idempotency key had been used before, or something above is missing. */
  readonly recorded: boolean;
}

/**
 * Records any number of events, and adds them to the totals, in one statement and therefore in one commit.
 *
 * An event belongs to the first open period that ends after the moment when its usage happened: the period of
 * that moment or, where that one is closed, the next one that is open. The row lock on the period is what makes
 * that decision safe: closing takes the same lock exclusively, so it waits for statements under way, and a
 * statement that had to wait for a close sees the period closed and leaves the event to the caller to try again.
 *
 * Rows are written in one order everywhere, so that two processes cannot wait for each other in a circle.
 */
const RECORD = `/* record-events */
WITH pending AS (
  SELECT * FROM unnest(
    $1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::text[], $8::timestamptz[], $9::text[]
  ) AS p (ord, id, environment_id, agent_id, meter_name, quantity, idempotency_key, occurred_at, metadata)
),
open_period AS MATERIALIZED (
  SELECT id, environment_id, starts_at, ends_at FROM periods
  WHERE status = 'open' AND environment_id = ANY ($3::uuid[])
  ORDER BY id
  FOR SHARE
),
resolved AS MATERIALIZED (
  SELECT p.*, a.id AS known_agent_id, a.customer_id, m.id AS meter_id, open.id AS period_id,
         (p.occurred_at AT TIME ZONE account.time_zone)::date AS day
  FROM pending p
  JOIN environments e ON e.id = p.environment_id
  JOIN accounts account ON account.id = e.account_id
  LEFT JOIN agents a ON a.environment_id = p.environment_id AND a.id = p.agent_id
  LEFT JOIN meters m ON m.environment_id = p.environment_id AND m.name = p.meter_name
  LEFT JOIN LATERAL (
    SELECT o.id FROM open_period o
    WHERE o.environment_id = p.environment_id AND o.ends_at > p.occurred_at
    ORDER BY o.starts_at LIMIT 1
  ) open ON true
),
recorded AS (
  INSERT INTO usage_events
    (id, environment_id, period_id, agent_id, customer_id, meter_id, quantity, idempotency_key, occurred_at, created_at, metadata)
  SELECT id, environment_id, period_id, known_agent_id, customer_id, meter_id, quantity, idempotency_key, occurred_at, $10,
         metadata::jsonb
  FROM resolved
  WHERE known_agent_id IS NOT NULL AND meter_id IS NOT NULL AND period_id IS NOT NULL
  ORDER BY environment_id, agent_id, idempotency_key, ord
  ON CONFLICT (environment_id, agent_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
  RETURNING id
),
counted AS (
  INSERT INTO usage_totals AS t
    (environment_id, period_id, agent_id, customer_id, meter_id, day, quantity, event_count)
  SELECT r.environment_id, r.period_id, r.known_agent_id, r.customer_id, r.meter_id, r.day, sum(r.quantity), count(*)
  FROM resolved r JOIN recorded USING (id)
  GROUP BY 1, 2, 3, 4, 5, 6
  ORDER BY 2, 3, 5, 6, 4
  ON CONFLICT (period_id, agent_id, meter_id, day, customer_id)
  DO UPDATE SET quantity = t.quantity + EXCLUDED.quantity, event_count = t.event_count + EXCLUDED.event_count
)
SELECT r.known_agent_id AS agent_id, r.meter_id, r.period_id, r.day, recorded.id IS NOT NULL AS recorded
FROM resolved r LEFT JOIN recorded USING (id)
ORDER BY r.ord`;

/** Runs the statement; rows come back in the order of `events`. */
export function recordEvents(
  db: Queryable,
  events: readonly PendingEvent[],
  now: Date,
): Promise<RecordRow[]> {
  return db.query<RecordRow>(RECORD, [
    events.map((_, index) => index),
    events.map((event) => event.id),
    events.map((event) => event.environmentId),
    events.map((event) => event.agentId),
    events.map((event) => event.meterName),
    events.map((event) => event.quantity),
    events.map((event) => event.idempotencyKey),
    events.map((event) => (event.occurredAt ?? now).toISOString()),
    events.map((event) => (event.metadata === null ? null : JSON.stringify(event.metadata))),
    now,
  ]);
}
