import { onlyRow, type Queryable } from "../store/database.ts";

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
  readonly knowsAgent: boolean;
  readonly knowsMeter: boolean;
  /** null where no open period takes the event. */
  readonly periodId: string | null;
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
 *
 * Most events of a batch happened at one moment, now, so periods and days are looked up once for each moment and
 * taken from arrays by index. Nothing here joins one set of events with another: a prepared statement is planned
 * without knowing how many there will be, and a plan for ten takes a thousand times longer for a thousand.
 */
const RECORD = `/* record-events */
WITH pending AS (
  SELECT * FROM unnest(
    $1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::text[], $8::timestamptz[], $9::text[], $11::int[]
  ) AS p (ord, id, environment_id, agent_id, meter_name, quantity, idempotency_key, occurred_at, metadata, moment)
),
open_period AS MATERIALIZED (
  SELECT id, environment_id, starts_at, ends_at FROM periods
  WHERE status = 'open' AND environment_id = ANY ($12::uuid[])
  ORDER BY id
  FOR SHARE
),
moments AS MATERIALIZED (
  SELECT array_agg(open.id ORDER BY d.ord) AS period_ids,
         array_agg((d.occurred_at AT TIME ZONE account.time_zone)::date ORDER BY d.ord) AS days
  FROM unnest($12::uuid[], $13::timestamptz[]) WITH ORDINALITY AS d (environment_id, occurred_at, ord)
  JOIN environments e ON e.id = d.environment_id
  JOIN accounts account ON account.id = e.account_id
  LEFT JOIN LATERAL (
    SELECT o.id FROM open_period o
    WHERE o.environment_id = d.environment_id AND o.ends_at > d.occurred_at
    ORDER BY o.starts_at LIMIT 1
  ) open ON true
),
resolved AS MATERIALIZED (
  SELECT p.*, a.id AS known_agent_id, a.customer_id, m.id AS meter_id,
         (SELECT period_ids FROM moments)[p.moment] AS period_id, (SELECT days FROM moments)[p.moment] AS day
  FROM pending p
  LEFT JOIN agents a ON a.environment_id = p.environment_id AND a.id = p.agent_id
  LEFT JOIN meters m ON m.environment_id = p.environment_id AND m.name = p.meter_name
),
recorded AS (
  INSERT INTO usage_events
    (id, environment_id, period_id, agent_id, customer_id, meter_id, quantity, idempotency_key, occurred_at, created_at, metadata)
  SELECT id, environment_id, period_id, known_agent_id, customer_id, meter_id, quantity, idempotency_key, occurred_at, $10,
         metadata::jsonb
  FROM resolved
  WHERE known_agent_id IS NOT NULL AND meter_id IS NOT NULL AND period_id IS NOT NULL
  ORDER BY environment_id, agent_id, idempotency_key COLLATE "C", ord
  ON CONFLICT (environment_id, agent_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
  RETURNING id, environment_id, period_id, agent_id, customer_id, meter_id, quantity, occurred_at
),
counted AS (
  INSERT INTO usage_totals AS t
    (environment_id, period_id, agent_id, customer_id, meter_id, day, quantity, event_count)
  SELECT r.environment_id, r.period_id, r.agent_id, r.customer_id, r.meter_id,
         (r.occurred_at AT TIME ZONE account.time_zone)::date, sum(r.quantity), sum(r.event_count)
  FROM (
    SELECT environment_id, period_id, agent_id, customer_id, meter_id, occurred_at,
           sum(quantity) AS quantity, count(*) AS event_count
    FROM recorded GROUP BY 1, 2, 3, 4, 5, 6
  ) r
  JOIN environments e ON e.id = r.environment_id
  JOIN accounts account ON account.id = e.account_id
  GROUP BY 1, 2, 3, 4, 5, 6
  ORDER BY 2, 3, 5, 6, 4
  ON CONFLICT (period_id, agent_id, meter_id, day, customer_id)
  DO UPDATE SET quantity = t.quantity + EXCLUDED.quantity, event_count = t.event_count + EXCLUDED.event_count
)
SELECT (SELECT period_ids FROM moments)::text[] AS period_ids, (SELECT days FROM moments)::text[] AS days,
       (SELECT array_agg(ord) FROM resolved WHERE known_agent_id IS NULL) AS unknown_agents,
       (SELECT array_agg(ord) FROM resolved WHERE meter_id IS NULL) AS unknown_meters,
       CASE WHEN (SELECT count(*) FROM recorded) < (SELECT count(*) FROM resolved)
         THEN (SELECT coalesce(array_agg(id), '{}') FROM recorded)::text[] END AS recorded_ids`;

interface ResultRow {
  /** By moment. */
  period_ids: (string | null)[];
  days: string[];
  /** The places of events whose agent or meter is unknown. */
  unknown_agents: number[] | null;
  unknown_meters: number[] | null;
  /** null: every event was recorded. */
  recorded_ids: string[] | null;
}

/** Runs the statement. One row for each event, in their order. */
export async function recordEvents(
  db: Queryable,
  events: readonly PendingEvent[],
  now: Date,
): Promise<RecordRow[]> {
  const nowText = now.toISOString();
  const times = events.map((event) => event.occurredAt?.toISOString() ?? nowText);
  const moments = indexMoments(events, times);
  const result = onlyRow(
    await db.query<ResultRow>(RECORD, [
      events.map((_, index) => index),
      events.map((event) => event.id),
      events.map((event) => event.environmentId),
      events.map((event) => event.agentId),
      events.map((event) => event.meterName),
      events.map((event) => event.quantity),
      events.map((event) => event.idempotencyKey),
      times,
      events.map((event) => (event.metadata === null ? null : JSON.stringify(event.metadata))),
      now,
      moments.indexes.map((index) => index + 1),
      moments.environmentIds,
      moments.times,
    ]),
  );
  const unknownAgents = new Set(result.unknown_agents);
  const unknownMeters = new Set(result.unknown_meters);
  const recorded = result.recorded_ids && new Set(result.recorded_ids);
  return events.map((event, index) => {
    const moment = moments.indexes[index] ?? -1;
    const day = result.days[moment];
    if (day === undefined) throw new Error("the event's environment is gone");
    return {
      knowsAgent: !unknownAgents.has(index),
      knowsMeter: !unknownMeters.has(index),
      periodId: result.period_ids[moment] ?? null,
      day,
      recorded: recorded === null || recorded.has(event.id),
    };
  });
}

/** The distinct pairs of environment and time, and for each event the place of its pair. */
function indexMoments(events: readonly PendingEvent[], times: readonly string[]) {
  const places = new Map<string, number>();
  const environmentIds: string[] = [];
  const distinctTimes: string[] = [];
  const indexes = events.map(({ environmentId }, index) => {
    const time = times[index] ?? "";
    const last = environmentIds.length - 1;
    if (environmentIds[last] === environmentId && distinctTimes[last] === time) return last;
    const name = `${environmentId} ${time}`;
    const known = places.get(name);
    if (known !== undefined) return known;
    places.set(name, environmentIds.length);
    distinctTimes.push(time);
    return environmentIds.push(environmentId) - 1;
  });
  return { indexes, environmentIds, times: distinctTimes };
}
