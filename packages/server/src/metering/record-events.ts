import { createHash } from "node:crypto";
import { hasBudget } from "../agents/has-budget.ts";
import { onlyRow, type Queryable } from "../store/database.ts";

/** Usage on its way into the database. */
export interface PendingEvent {
  readonly id: string;
  readonly environmentId: string;
  readonly agentId: string;
  readonly meterName: string;
  readonly quantity: number;
  /**
   * True where the agent records it with its own token: then the meter's limit for one call and enforced
   * budgets apply.
   */
  readonly byAgent: boolean;
  readonly idempotencyKey: string | null;
  /** Moment at which the usage happened; null: the moment of recording. */
  readonly occurredAt: Date | null;
  readonly metadata: Readonly<Record<string, string>> | null;
}

/** Result of the statement for one pending event. */
export interface RecordRow {
  readonly knowsAgent: boolean;
  readonly knowsMeter: boolean;
  /** null where no open period takes the event. */
  readonly periodId: string | null;
  /** Day of the usage in the account's time zone; null where there is no such environment. */
  readonly day: string | null;
  /** The meter's limit for one call; null where there is no such meter. */
  readonly maxQuantityPerCall: number | null;
  /** True where it was left out because a budget applies that nobody has checked. */
  readonly budgetUnchecked: boolean;
  /** False where the idempotency key had been used before, or something above speaks against it. */
  readonly recorded: boolean;
}

/** A condition on a budget: it is for the meter, and not among those that were checked. */
const UNCHECKED = "(b.meter_id IS NULL OR b.meter_id = meter.id) AND b.id <> ALL (s.checked::uuid[])";

/**
 * Records any number of events, and adds them to the totals, in one statement and therefore in one commit.
 *
 * An event belongs to the first open period that ends after the moment when its usage happened: the period of
 * that moment or, where that one is closed, the next one that is open. The row lock on the period is what makes
 * that decision safe: closing takes the same lock exclusively, so it waits for statements in flight, and a
 * statement that had to wait for a close sees the period closed and leaves the event to the caller to try again.
 *
 * The meter's limit for one call is part of the statement, so it holds in every process as soon as it is changed. So is
 * the question whether a budget applies to an agent's usage that the caller has not locked and checked: one that was made
 * meanwhile, or that of the customer to whom the agent moved. Usage is recorded for the customer of the same look-up.
 *
 * An idempotency key is taken first, in a table without partitions, and its event is recorded only by whoever got it:
 * another process that has the same key waits for that row, and then finds it taken. Keys of events that servers of the
 * version before recorded are in the partition of the past alone, whose own unique index stands against one that such a
 * server records at the same moment: then the whole statement is undone, and runs again.
 *
 * Rows are written in one order everywhere, so that two processes cannot wait for each other in a circle.
 *
 * Most events of a batch differ in little: the agent, the meter, the period and the day are looked up once for each
 * series of equal ones, and taken from arrays by index. Nothing here joins one set of events with another: a prepared
 * statement is planned without knowing how many there will be, and a plan for ten takes a thousand times longer for
 * a thousand.
 */
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
         array_agg($12::boolean AND ${hasBudget("agent.id", "agent.customer_id", UNCHECKED)} ORDER BY s.ord) AS unchecked,
         array_agg(open.id ORDER BY s.ord) AS period_ids,
         array_agg((s.occurred_at AT TIME ZONE coalesce(open.time_zone, e.time_zone, account.time_zone))::date ORDER BY s.ord) AS days,
         array_agg(s.occurred_at ORDER BY s.ord) AS times
  FROM unnest($6::uuid[], $7::uuid[], $8::text[], $9::timestamptz[], $14::text[])
    WITH ORDINALITY AS s (environment_id, agent_id, meter_name, occurred_at, checked, ord)
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
allowed AS MATERIALIZED (
  SELECT p.id, s.environment_ids[p.series] AS environment_id, s.period_ids[p.series] AS period_id,
         s.agent_ids[p.series] AS agent_id, s.customer_ids[p.series] AS customer_id, s.meter_ids[p.series] AS meter_id,
         p.quantity, p.idempotency_key, p.key_hash, s.times[p.series] AS occurred_at, p.metadata
  FROM series s
  CROSS JOIN unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::text[], $11::boolean[], $13::uuid[])
    AS p (id, series, quantity, idempotency_key, metadata, by_agent, key_hash)
  WHERE s.agent_ids[p.series] IS NOT NULL AND s.meter_ids[p.series] IS NOT NULL AND s.period_ids[p.series] IS NOT NULL
    AND (NOT p.by_agent OR (p.quantity <= s.max_quantities[p.series] AND NOT s.unchecked[p.series]))
    AND (p.idempotency_key IS NULL OR (
      SELECT o.id FROM usage_events o
      WHERE o.environment_id = s.environment_ids[p.series] AND o.agent_id = s.agent_ids[p.series]
        AND o.idempotency_key = p.idempotency_key
    ) IS NULL)
),
keyed AS (
  INSERT INTO usage_event_keys (agent_id, key_hash, event_id)
  SELECT agent_id, key_hash, id FROM allowed WHERE key_hash IS NOT NULL
  ON CONFLICT (agent_id, key_hash) DO NOTHING
  RETURNING event_id
),
recorded AS (
  INSERT INTO metered_events
    (id, environment_id, period_id, agent_id, customer_id, meter_id, quantity, idempotency_key, occurred_at, created_at, metadata)
  SELECT id, environment_id, period_id, agent_id, customer_id, meter_id, quantity, idempotency_key, occurred_at, $10,
         metadata::jsonb
  FROM allowed
  WHERE key_hash IS NULL OR id IN (SELECT event_id FROM keyed)
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

/** Half of a key's SHA-256, in the form of a UUID: as good as the key itself, and always short. */
export function hashOfKey(key: string): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 32);
}

interface ResultRow {
  /** By series; null where there is none. */
  agent_ids: (string | null)[];
  meter_ids: (string | null)[];
  period_ids: (string | null)[];
  days: (string | null)[];
  max_quantities: (number | null)[];
  unchecked: boolean[];
  /** null: every event was recorded. */
  recorded_ids: string[] | null;
}

/**
 * Runs the statement. One row for each event, in their order.
 *
 * @param checkedFor tells the ids of the budgets that the caller has locked and checked for an agent's usage; none by
 * default.
 */
export async function recordEvents(
  db: Queryable,
  events: readonly PendingEvent[],
  now: Date,
  checkedFor: (event: PendingEvent) => readonly string[] = () => [],
): Promise<RecordRow[]> {
  const { series, placeOf } = findSeries(events, now.toISOString());
  const ordered = inLockOrder(events);
  const result = onlyRow(
    await db.query<ResultRow>(RECORD, [
      ordered.map((event) => event.id),
      ordered.map((event) => placeOf(event) + 1),
      ordered.map((event) => event.quantity),
      ordered.map((event) => event.idempotencyKey),
      ordered.map((event) => (event.metadata === null ? null : JSON.stringify(event.metadata))),
      series.map(({ event }) => event.environmentId),
      series.map(({ event }) => event.agentId),
      series.map(({ event }) => event.meterName),
      series.map(({ time }) => time),
      now,
      ordered.map((event) => event.byAgent),
      events.some(({ byAgent }) => byAgent),
      ordered.map(({ idempotencyKey }) => (idempotencyKey === null ? null : hashOfKey(idempotencyKey))),
      series.map(({ event }) => `{${checkedFor(event).join(",")}}`),
    ]),
  );
  const recorded = result.recorded_ids && new Set(result.recorded_ids);
  return events.map((event) => {
    const place = placeOf(event);
    return {
      knowsAgent: result.agent_ids[place] !== null,
      knowsMeter: result.meter_ids[place] !== null,
      periodId: result.period_ids[place] ?? null,
      day: result.days[place] ?? null,
      maxQuantityPerCall: result.max_quantities[place] ?? null,
      budgetUnchecked: event.byAgent && result.unchecked[place] === true,
      recorded: recorded === null || recorded.has(event.id),
    };
  });
}

interface Series {
  /** The first event of the series. */
  readonly event: PendingEvent;
  readonly time: string;
}

/** The series of events that differ in their quantities and keys alone, and for each event the place of its own. */
function findSeries(events: readonly PendingEvent[], now: string) {
  const series: Series[] = [];
  const byName = new Map<string, number>();
  const places = new Map<PendingEvent, number>();
  for (const event of events) {
    const time = event.occurredAt?.toISOString() ?? now;
    const name = `${event.environmentId} ${event.agentId} ${time} ${event.meterName}`;
    const place = byName.get(name) ?? series.push({ event, time }) - 1;
    byName.set(name, place);
    places.set(event, place);
  }
  const placeOf = (event: PendingEvent) => places.get(event) ?? -1;
  return { series, placeOf };
}

/** Only a key makes a row wait for another process's: those are written in one order everywhere. */
function inLockOrder(events: readonly PendingEvent[]): readonly PendingEvent[] {
  if (events.every(({ idempotencyKey }) => idempotencyKey === null)) return events;
  const name = (event: PendingEvent) => `${event.environmentId} ${event.agentId} ${event.idempotencyKey}`;
  const named = events.map((event) => ({ event, name: name(event) }));
  named.sort((left, right) => (left.name < right.name ? -1 : Number(left.name > right.name)));
  return named.map(({ event }) => event);
}
