import type { UsageEvent } from "@licentric/contract";
import type { Queryable } from "../store/database.ts";
import type { PendingEvent } from "./record-events.ts";

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

/** The events that hold these events' idempotency keys, in the same order. */
export async function selectByIdempotencyKey(
  db: Queryable,
  events: readonly PendingEvent[],
): Promise<(StoredEvent | undefined)[]> {
  const rows = await db.query<EventRow & { ord: number }>(
    `SELECT p.ord, ${COLUMNS}
     FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::text[]) AS p (ord, environment_id, agent_id, idempotency_key)
     JOIN usage_events u USING (environment_id, agent_id, idempotency_key)
     JOIN meters m ON m.id = u.meter_id`,
    [
      events.map((_, index) => index),
      events.map((event) => event.environmentId),
      events.map((event) => event.agentId),
      events.map((event) => event.idempotencyKey),
    ],
  );
  const byOrder = new Map(rows.map((row) => [row.ord, toEvent(row)]));
  return events.map((_, index) => byOrder.get(index));
}
