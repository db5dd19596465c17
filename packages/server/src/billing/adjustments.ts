import type { Adjustment, CreateAdjustment, ListAdjustmentsQuery } from "@licentric/contract";
import type { z } from "zod";
import { getCustomer } from "../customers/customers.ts";
import { ApiError, notFound } from "../http/api-error.ts";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import { isUuid, onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { monthOf, timeOfId } from "../store/month.ts";
import { lockCurrentPeriod } from "./carry-over.ts";

interface AdjustmentRow {
  id: string;
  agent_id: string;
  customer_id: string | null;
  meter_name: string;
  quantity: number;
  reason: string;
  period_id: string;
  event_id: string | null;
  created_at: Date;
}

interface Making {
  readonly newId: () => string;
  readonly now: Date;
}

const SELECT = `SELECT d.id, d.agent_id, d.customer_id, m.name AS meter_name, d.quantity, d.reason, d.period_id,
  d.event_id, d.created_at
FROM adjustments d JOIN meters m ON m.id = d.meter_id`;

function toAdjustment(row: AdjustmentRow): Adjustment {
  return {
    id: row.id,
    agentId: row.agent_id,
    customerId: row.customer_id,
    meterName: row.meter_name,
    quantity: row.quantity,
    reason: row.reason,
    periodId: row.period_id,
    eventId: row.event_id,
    createdAt: row.created_at.toISOString(),
  };
}

/**
 * Corrects an agent's usage of a meter: in the open period that is named, or in the one that takes usage now. Billed for
 * it is the customer who is named, or whoever the agent belongs to now. Budgets are not concerned.
 *
 * @throws {ApiError} `NOT_FOUND` for an agent, a customer or a period, `UNPROCESSABLE` for a meter that does not exist; `CONFLICT`
 * where the period is closed.
 */
export async function createAdjustment(
  tx: Queryable,
  environmentId: string,
  { agentId, meterName, quantity, reason, periodId, customerId }: z.output<typeof CreateAdjustment>,
  making: Making,
): Promise<Adjustment> {
  const [agent] = await tx.query<{ customer_id: string | null }>(
    "SELECT customer_id FROM agents WHERE environment_id = $1 AND id = $2",
    [environmentId, uuidParam(agentId)],
  );
  if (agent === undefined) throw notFound("agent", agentId);
  if (customerId) await getCustomer(tx, environmentId, customerId);
  const [meter] = await tx.query<{ id: string }>(
    "SELECT id FROM meters WHERE environment_id = $1 AND name = $2",
    [environmentId, meterName],
  );
  if (meter === undefined) {
    throw new ApiError(
      "UNPROCESSABLE",
      `"${meterName}" is not a meter here, so nothing was adjusted. Correct the name.`,
    );
  }
  const period =
    periodId === undefined
      ? await lockCurrentPeriod(tx, environmentId, making)
      : await lockNamedPeriod(tx, environmentId, periodId);
  const id = await insert(
    tx,
    {
      environmentId,
      agentId,
      customerId: customerId === undefined ? agent.customer_id : customerId,
      meterId: meter.id,
      quantity,
      reason,
      periodId: period,
      eventId: null,
      day: null,
    },
    making,
  );
  return getAdjustment(tx, environmentId, id ?? "");
}

/** @throws {ApiError} `NOT_FOUND`, or `CONFLICT` where it is closed. */
async function lockNamedPeriod(tx: Queryable, environmentId: string, periodId: string): Promise<string> {
  const [period] = await tx.query<{ id: string; status: "open" | "closed" }>(
    "SELECT id, status FROM periods WHERE environment_id = $1 AND id = $2 FOR SHARE",
    [environmentId, uuidParam(periodId)],
  );
  if (period === undefined) throw notFound("billing period", periodId);
  if (period.status === "open") return period.id;
  throw new ApiError(
    "CONFLICT",
    "The period is closed, and what was closed does not change. Leave periodId out: then the adjustment is on the next invoice.",
  );
}

interface RefundedEvent {
  agent_id: string;
  customer_id: string | null;
  meter_id: string;
  quantity: number;
  period_id: string;
  /** Its day in the totals of its period. */
  day: string;
}

/**
 * Takes back one event, by an adjustment of minus its quantity for whoever was to pay for it: in the event's own period
 * while that is open, else in the one that takes usage now. An event is refunded at most once, whoever asks at once.
 *
 * @throws {ApiError} `NOT_FOUND`; `CONFLICT` where it is refunded already; `UNPROCESSABLE` where it is archived.
 */
export async function refundEvent(
  tx: Queryable,
  environmentId: string,
  eventId: string,
  { reason }: { readonly reason: string },
  making: Making,
): Promise<Adjustment> {
  const [event] = await tx.query<RefundedEvent>(
    `SELECT o.agent_id, o.customer_id, o.meter_id, o.quantity, o.period_id,
       (o.occurred_at AT TIME ZONE coalesce(p.time_zone, e.time_zone, a.time_zone))::date::text AS day
     FROM metered_events o JOIN periods p ON p.id = o.period_id
     JOIN environments e ON e.id = o.environment_id JOIN accounts a ON a.id = e.account_id
     WHERE o.environment_id = $1 AND o.id = $2`,
    [environmentId, uuidParam(eventId)],
  );
  if (event === undefined) throw await notThere(tx, environmentId, eventId);
  const [own] = await tx.query<{ id: string }>(
    "SELECT id FROM periods WHERE environment_id = $1 AND id = $2 AND status = 'open' FOR SHARE",
    [environmentId, event.period_id],
  );
  const id = await insert(
    tx,
    {
      environmentId,
      agentId: event.agent_id,
      customerId: event.customer_id,
      meterId: event.meter_id,
      quantity: -event.quantity,
      reason,
      periodId: own?.id ?? (await lockCurrentPeriod(tx, environmentId, making)),
      eventId,
      day: own === undefined ? null : event.day,
    },
    making,
  );
  if (id !== undefined) return getAdjustment(tx, environmentId, id);
  throw await refundedAlready(tx, environmentId, event.agent_id, eventId);
}

async function refundedAlready(
  tx: Queryable,
  environmentId: string,
  agentId: string,
  eventId: string,
): Promise<ApiError> {
  const { id: adjustmentId } = onlyRow(
    await tx.query<{ id: string }>(
      "SELECT id FROM adjustments WHERE environment_id = $1 AND agent_id = $2 AND event_id = $3",
      [environmentId, agentId, uuidParam(eventId)],
    ),
  );
  return new ApiError("CONFLICT", "The event is refunded already, and that is done once for each event.", {
    adjustmentId,
  });
}

/** An id says when its event was recorded, so it can be told whether such an event would be archived. */
async function notThere(tx: Queryable, environmentId: string, eventId: string): Promise<ApiError> {
  const [refund] = await tx.query<{ agent_id: string }>(
    "SELECT agent_id FROM adjustments WHERE environment_id = $1 AND event_id = $2",
    [environmentId, uuidParam(eventId)],
  );
  if (refund !== undefined) return refundedAlready(tx, environmentId, refund.agent_id, eventId);
  const month = isUuid(eventId) ? monthOf(timeOfId(eventId)).name : "";
  const archived = await tx.query("SELECT 1 FROM archived_months WHERE to_char(month, 'YYYY-MM') = $1", [
    month,
  ]);
  if (archived.length === 0) return notFound("usage event", eventId);
  return new ApiError(
    "UNPROCESSABLE",
    `The events of ${month}, when an event of this id would have been recorded, are archived. ` +
      "Look it up in the archive's file and make an adjustment of its quantity instead.",
  );
}

interface NewAdjustment {
  readonly environmentId: string;
  readonly agentId: string;
  readonly customerId: string | null;
  readonly meterId: string;
  readonly quantity: number;
  readonly reason: string;
  readonly periodId: string;
  readonly eventId: string | null;
  /** The day whose free units it gives back; null: none. */
  readonly day: string | null;
}

/** @returns its id; undefined where it refunds an event that is refunded already. */
async function insert(
  tx: Queryable,
  { environmentId, agentId, customerId, meterId, quantity, reason, periodId, eventId, day }: NewAdjustment,
  { newId, now }: Making,
): Promise<string | undefined> {
  const [made] = await tx.query<{ id: string }>(
    `INSERT INTO adjustments
       (id, environment_id, period_id, agent_id, customer_id, meter_id, quantity, reason, event_id, created_at, day)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     ON CONFLICT (agent_id, event_id) WHERE event_id IS NOT NULL DO NOTHING RETURNING id`,
    [
      newId(),
      environmentId,
      periodId,
      uuidParam(agentId),
      customerId,
      meterId,
      quantity,
      reason,
      eventId === null ? null : uuidParam(eventId),
      now,
      day,
    ],
  );
  return made?.id;
}

async function getAdjustment(tx: Queryable, environmentId: string, id: string): Promise<Adjustment> {
  const rows = await tx.query<AdjustmentRow>(`${SELECT} WHERE d.environment_id = $1 AND d.id = $2`, [
    environmentId,
    id,
  ]);
  return toAdjustment(onlyRow(rows));
}

/** Lists adjustments, newest first. */
export function listAdjustments(
  db: Queryable,
  environmentId: string,
  query: z.output<typeof ListAdjustmentsQuery>,
): Promise<Page<Adjustment>> {
  const page = pageRequest(query);
  const id = (text: string | undefined) => (text === undefined ? null : uuidParam(text));
  return readPage(
    page,
    (limit) =>
      db.query<AdjustmentRow>(
        `${SELECT} WHERE d.environment_id = $1 AND ($2::uuid IS NULL OR d.id < $2)
           AND ($3::uuid IS NULL OR d.agent_id = $3) AND ($4::uuid IS NULL OR d.customer_id = $4)
           AND ($5::text IS NULL OR m.name = $5) AND ($6::uuid IS NULL OR d.period_id = $6)
           AND ($7::uuid IS NULL OR d.event_id = $7)
         ORDER BY d.id DESC LIMIT $8`,
        [
          environmentId,
          page.cursor,
          id(query.agentId),
          id(query.customerId),
          query.meterName ?? null,
          id(query.periodId),
          id(query.eventId),
          limit,
        ],
      ),
    toAdjustment,
  );
}
