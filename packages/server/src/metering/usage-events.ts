import type { ListEventsQuery, UsageEvent } from "@licentric/contract";
import type { z } from "zod";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import { type Queryable, uuidParam } from "../store/database.ts";
import { hashOfKey, type PendingEvent } from "./record-events.ts";

/** A recorded event, as it is answered. */
export type StoredEvent = UsageEvent;

interface EventRow {
  id: string;
  agent_id: string;
  meter_name: string;
  quantity: number;
  period_id: string;
  idempotency_key: string | null;
  occurred_at: Date;
  created_at: Date;
  metadata: Record<string, string> | null;
}

const COLUMNS = `u.id, u.agent_id, m.name AS meter_name, u.quantity, u.period_id, u.idempotency_key, u.occurred_at,
  u.created_at, u.metadata`;

function toEvent(row: EventRow): StoredEvent {
  return {
    id: row.id,
    agentId: row.agent_id,
    meterName: row.meter_name,
    quantity: row.quantity,
    periodId: row.period_id,
    idempotencyKey: row.idempotency_key,
    timestamp: row.occurred_at.toISOString(),
    metadata: row.metadata ?? {},
    createdAt: row.created_at.toISOString(),
  };
}

/**
 * The events that hold these events' idempotency keys, in the same order. What servers of the version before recorded
 * is in the partition of the past alone.
 */
export async function selectByIdempotencyKey(
  db: Queryable,
  events: readonly PendingEvent[],
): Promise<(StoredEvent | undefined)[]> {
  const rows = await db.query<EventRow & { ord: number }>(
    `WITH pending AS (
       SELECT * FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[])
         AS p (ord, environment_id, agent_id, idempotency_key, key_hash)
     ),
     found AS (
       SELECT p.ord, p.environment_id, p.agent_id, k.event_id AS id
       FROM pending p JOIN usage_event_keys k USING (agent_id, key_hash)
       UNION
       SELECT p.ord, p.environment_id, p.agent_id, o.id
       FROM pending p JOIN usage_events o USING (environment_id, agent_id, idempotency_key)
     )
     SELECT f.ord, ${COLUMNS}
     FROM found f
     JOIN metered_events u USING (environment_id, agent_id, id)
     JOIN meters m ON m.id = u.meter_id`,
    [
      events.map((_, index) => index),
      events.map((event) => event.environmentId),
      events.map((event) => event.agentId),
      events.map((event) => event.idempotencyKey),
      events.map(({ idempotencyKey }) => (idempotencyKey === null ? null : hashOfKey(idempotencyKey))),
    ],
  );
  const byOrder = new Map(rows.map((row) => [row.ord, toEvent(row)]));
  return events.map((_, index) => byOrder.get(index));
}

/**
 * Of one agent, events are found by the index of its own, and the environment is looked at in the agent's row: a
 * condition on the events' own column would have the planner read the environment's newest ones, and all of them for
 * an agent that has not been used for long.
 */
const OF_AGENT = "u.agent_id = (SELECT a.id FROM agents a WHERE a.environment_id = $1 AND a.id = $3)";
const OF_ENVIRONMENT = "u.environment_id = $1 AND $3::uuid IS NULL";

/**
 * The events under a key, by the table of keys; what servers of the version before recorded is in the partition of the
 * past alone. A key is looked up for each agent that is asked about: that is how keys are distributed.
 */
const UNDER_KEY = `u.environment_id = $1 AND u.idempotency_key = $8 AND u.id = ANY (ARRAY(
  SELECT k.event_id FROM agents a JOIN usage_event_keys k ON k.agent_id = a.id AND k.key_hash = $9
  WHERE a.environment_id = $1 AND ($3::uuid IS NULL OR a.id = $3)
  UNION
  SELECT o.id FROM agents a
  JOIN usage_events o ON o.environment_id = a.environment_id AND o.agent_id = a.id AND o.idempotency_key = $8
  WHERE a.environment_id = $1 AND ($3::uuid IS NULL OR a.id = $3)
))`;

/** Lists usage events, newest first: each partition's newest ones are merged until there are enough. */
export function listUsageEvents(
  db: Queryable,
  environmentId: string,
  query: z.output<typeof ListEventsQuery>,
): Promise<Page<StoredEvent>> {
  const page = pageRequest(query);
  const id = (text: string | undefined) => (text === undefined ? null : uuidParam(text));
  const { idempotencyKey } = query;
  const byKey = idempotencyKey === undefined ? [] : [idempotencyKey, hashOfKey(idempotencyKey)];
  const narrowed = query.agentId === undefined ? OF_ENVIRONMENT : OF_AGENT;
  return readPage(
    page,
    (limit) =>
      db.query<EventRow>(
        `SELECT ${COLUMNS} FROM metered_events u JOIN meters m ON m.id = u.meter_id
         WHERE ${idempotencyKey === undefined ? narrowed : UNDER_KEY} AND ($2::uuid IS NULL OR u.id < $2)
           AND ($4::uuid IS NULL OR u.customer_id = $4)
           AND ($5::text IS NULL OR m.name = $5) AND ($6::uuid IS NULL OR u.period_id = $6)
         ORDER BY u.id DESC LIMIT $7`,
        [
          environmentId,
          page.cursor,
          id(query.agentId),
          id(query.customerId),
          query.meterName ?? null,
          id(query.periodId),
          limit,
          ...byKey,
        ],
      ),
    toEvent,
  );
}
