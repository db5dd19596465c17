import type {
  CommitRequest,
  Reservation,
  ReservationGrant,
  ReservationOutcome,
  ReserveRequest,
} from "@licentric/contract";
import { DEFAULT_RESERVATION_LIFETIME } from "@licentric/contract";
import type { z } from "zod";
import { type AgentCaller, requireAgentScopes } from "../accounts/caller.ts";
import { ApiError, notFound } from "../http/api-error.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { timeOfId } from "../store/month.ts";
import { budgetRefusal } from "./budget-refusal.ts";
import { budgetState, tightest } from "./budget-rules.ts";
import { readBudgetsFor } from "./budget-use.ts";
import { type BudgetedEvent, bindingBudgets, lockBudgets, recordWithBudgets } from "./budgeted-recorder.ts";
import { explainRefusal, overCallLimit, unknownMeter } from "./recorder.ts";
import { recordedEvent, verificationOf } from "./verify.ts";

interface ReservationRow {
  id: string;
  meter_name: string;
  quantity: number;
  status: "held" | "committed" | "released";
  committed_quantity: number | null;
  expires_at: Date;
  /** The event that it was committed as; null until then, and where a server of the version before did it. */
  event_id?: string | null;
}

function toReservation(row: ReservationRow, now: Date): Reservation {
  return {
    id: row.id,
    meterName: row.meter_name,
    quantity: row.quantity,
    status: row.status === "held" && row.expires_at <= now ? "lapsed" : row.status,
    committedQuantity: row.committed_quantity,
    expiresAt: row.expires_at.toISOString(),
  };
}

interface Making {
  readonly newId: () => string;
  readonly now: Date;
}

/**
 * Holds usage for a call in progress. The hold counts against budgets until it is committed, released, or past its
 * time; so what is enforced stays exact while calls are in flight.
 *
 * @param newReservationId makes ids that cannot be guessed: who knows the id and has a token of the agent can release
 * the hold, and an agent must not do that to a call that it lets others make.
 * @throws {ApiError} `INSUFFICIENT_SCOPE`; `UNPROCESSABLE` for an unknown meter, or more than one call may use of it;
 * `BUDGET_EXCEEDED` where the caller or a budget's own mark enforces it.
 */
export async function reserve(
  tx: Queryable,
  caller: AgentCaller,
  request: z.output<typeof ReserveRequest>,
  { newReservationId, ...making }: Making & { readonly newReservationId: () => string },
): Promise<z.output<typeof ReservationGrant>> {
  const { meterName, quantity = 1, enforceBudget = false, requiredScopes = [], expiresIn } = request;
  requireAgentScopes(caller, requiredScopes);
  const { environmentId, agentId } = caller;
  const { now } = making;
  const target = { environmentId, agentId, meterName };
  // Whatever the token's look-up says of budgets: one may have been made, or marked, since.
  const budgets = [...(await lockBudgets(tx, [target], making)).uses.values()];
  const row = await insertHold(
    tx,
    caller,
    {
      id: newReservationId(),
      meter_name: meterName,
      quantity,
      expires_at: new Date(now.getTime() + (expiresIn ?? DEFAULT_RESERVATION_LIFETIME) * 1_000),
    },
    now,
  );
  const binding = bindingBudgets(enforceBudget ? "all" : "enforced", budgets);
  const refusal = budgetRefusal(binding, { meterName, quantity, isHeld: true });
  if (refusal !== null) throw refusal;
  const held = budgets.length === 0 ? undefined : tightest(await readBudgetsFor(tx, target, now));
  return {
    ...verificationOf(caller),
    ...(held && { budget: budgetState(held, meterName) }),
    reservation: toReservation(row, now),
  };
}

/**
 * Returns the response to a repeated request: the reservation as it stands now, for the caller who asks. The
 * first request may have come with another credential of the agent.
 *
 * @throws {ApiError} `INSUFFICIENT_SCOPE`.
 */
export async function repeatGrant(
  db: Queryable,
  caller: AgentCaller,
  grant: z.output<typeof ReservationGrant>,
  { requiredScopes = [] }: Pick<z.output<typeof ReserveRequest>, "requiredScopes">,
  now: Date,
): Promise<z.output<typeof ReservationGrant>> {
  requireAgentScopes(caller, requiredScopes);
  const reservation = await readReservation(db, caller, grant.reservation.id, now);
  return { ...grant, ...verificationOf(caller), reservation };
}

/** @throws {ApiError} `UNPROCESSABLE` for an unknown meter, or more than one call may use of it. */
async function insertHold(
  tx: Queryable,
  { environmentId, agentId, credentialId }: AgentCaller,
  hold: Pick<ReservationRow, "id" | "meter_name" | "quantity" | "expires_at">,
  now: Date,
): Promise<ReservationRow> {
  const { id, meter_name: meterName, quantity, expires_at: expiresAt } = hold;
  const [meter] = await tx.query<{ max_quantity_per_call: number; held: boolean }>(
    `WITH meter AS (
       SELECT id, environment_id, max_quantity_per_call FROM meters WHERE environment_id = $7 AND name = $8
     ),
     made AS (
       INSERT INTO reservations
         (id, environment_id, credential_id, agent_id, meter_id, quantity, status, expires_at, created_at)
       SELECT $1, environment_id, $2, $3, id, $4::bigint, 'held', $5, $6 FROM meter
       WHERE $4::bigint <= max_quantity_per_call RETURNING id
     )
     SELECT max_quantity_per_call, EXISTS (SELECT 1 FROM made) AS held FROM meter`,
    [id, credentialId, agentId, quantity, expiresAt, now, environmentId, meterName],
  );
  if (meter === undefined) throw unknownMeter(meterName);
  const { max_quantity_per_call: maxQuantityPerCall, held } = meter;
  if (!held) throw overCallLimit({ meterName, quantity }, { maxQuantityPerCall });
  return { ...hold, status: "held", committed_quantity: null };
}

/**
 * Records what was really used of a hold and frees the rest, in one step. A hold that lapsed meanwhile is recorded all
 * the same, and over the budget if need be: the work was done. Only a budget that is marked as enforced refuses it where
 * it does not fit any more, or holds that are let lapse could pass the budget together. The event has the reservation's
 * id as its idempotency key, so it is recorded once, whatever happens.
 *
 * @throws {ApiError} `NOT_FOUND` for a reservation of another agent; `UNPROCESSABLE` for more than was held, or
 * than one call may use by now; `CONFLICT` for one that was released, or committed with another quantity;
 * `BUDGET_EXCEEDED` for one that lapsed.
 */
export async function commit(
  tx: Queryable,
  caller: AgentCaller,
  reservationId: string,
  request: z.output<typeof CommitRequest>,
  making: Making,
): Promise<z.output<typeof ReservationOutcome>> {
  const row = await lockReservation(tx, caller, reservationId);
  const quantity = request.quantity ?? row.quantity;
  if (row.status === "released") throw settledOtherwise("It was released, so nothing of it can be billed");
  if (row.status === "committed" && row.committed_quantity !== quantity) {
    throw settledOtherwise(`It was committed with the quantity ${row.committed_quantity}`);
  }
  if (quantity > row.quantity) {
    const message = `is more than the ${row.quantity} that are held; reserve the most that a call may cost`;
    throw new ApiError("UNPROCESSABLE", `quantity: ${message}`, {
      issues: [{ path: "quantity", message, code: "too_big" }],
    });
  }
  // The event's key may be gone by now, and the event itself archived: the hold knows what it was committed as.
  if (row.status === "committed" && row.event_id)
    return repeatCommit(row, row.event_id, quantity, making.now);
  // The hold ends before the event is recorded, so that budgets never count both.
  await tx.query("UPDATE reservations SET status = 'committed', committed_quantity = $2 WHERE id = $1", [
    row.id,
    quantity,
  ]);
  const lapsed = row.status === "held" && row.expires_at <= making.now;
  const used: BudgetedEvent = {
    id: making.newId(),
    environmentId: caller.environmentId,
    agentId: caller.agentId,
    meterName: row.meter_name,
    quantity,
    byAgent: true,
    idempotencyKey: row.id,
    occurredAt: null,
    metadata: null,
    mustFit: lapsed ? "enforced" : "none",
  };
  const [outcome] = await recordWithBudgets(tx, [used], making).catch((error: unknown) => {
    throw explainRefusal(error, used);
  });
  if (outcome === undefined || outcome instanceof Error) throw outcome ?? new Error("nothing was recorded");
  const { event, duplicate } = outcome;
  await tx.query("UPDATE reservations SET event_id = $2 WHERE id = $1", [row.id, event.id]);
  return {
    reservation: await readReservation(tx, caller, row.id, making.now),
    event: recordedEvent(event, duplicate, making.now),
  };
}

/** Returns the response to a repeated commit: the first one's event, as a duplicate. */
function repeatCommit(row: ReservationRow, eventId: string, quantity: number, now: Date) {
  const age = Math.max(0, now.getTime() - timeOfId(eventId).getTime());
  const event = { id: eventId, meterName: row.meter_name, quantity, duplicate: true, age };
  return { reservation: toReservation(row, now), event };
}

/**
 * Gives a hold back; nothing is billed. Releasing it again changes nothing, and one that lapsed can be released.
 *
 * @throws {ApiError} `NOT_FOUND` for a reservation of another agent, `CONFLICT` for one that was committed.
 */
export async function release(
  tx: Queryable,
  caller: AgentCaller,
  reservationId: string,
  now: Date,
): Promise<z.output<typeof ReservationOutcome>> {
  const row = await lockReservation(tx, caller, reservationId);
  if (row.status === "committed")
    throw settledOtherwise("It was committed, so it is billed and cannot be given back");
  await tx.query("UPDATE reservations SET status = 'released' WHERE id = $1", [row.id]);
  return { reservation: await readReservation(tx, caller, row.id, now) };
}

const SELECT = `
SELECT r.id, m.name AS meter_name, r.quantity, r.status, r.committed_quantity, r.expires_at, r.event_id
FROM reservations r JOIN meters m ON m.id = r.meter_id
WHERE r.environment_id = $1 AND r.agent_id = $2 AND r.id = $3 AND (r.credential_id = $4 OR $5)`;

/** Reads a reservation as it stands. */
async function readReservation(
  db: Queryable,
  caller: AgentCaller,
  id: string,
  now: Date,
): Promise<Reservation> {
  return toReservation(await selectReservation(db, caller, id, SELECT), now);
}

/**
 * Only the agent that reserved gets at the hold, with any of its credentials that is good; to any other it does not
 * exist. One that has ended settles what was begun with it.
 */
function lockReservation(tx: Queryable, caller: AgentCaller, id: string): Promise<ReservationRow> {
  return selectReservation(tx, caller, id, `${SELECT} FOR NO KEY UPDATE OF r`);
}

async function selectReservation(db: Queryable, caller: AgentCaller, id: string, sql: string) {
  const rows = await db.query<ReservationRow>(sql, [
    caller.environmentId,
    caller.agentId,
    uuidParam(id),
    caller.credentialId,
    !caller.ended,
  ]);
  if (rows.length === 0) throw notFound("reservation", id);
  return onlyRow(rows);
}

function settledOtherwise(what: string): ApiError {
  return new ApiError("CONFLICT", `${what}. A reservation is settled once.`);
}
