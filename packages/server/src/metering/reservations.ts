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
import { budgetState, tightest } from "./budget-rules.ts";
import { readBudgetsFor } from "./budget-use.ts";
import { budgetRefusal, lockBudgets, recordWithBudgets } from "./budgeted-recorder.ts";
import { explainRefusal, unknownMeter } from "./recorder.ts";
import { recordedEvent, verificationOf } from "./verify.ts";

interface ReservationRow {
  id: string;
  meter_name: string;
  quantity: number;
  status: "held" | "committed" | "released";
  committed_quantity: number | null;
  expires_at: Date;
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
 * time; so what is enforced stays exact while calls are under way.
 *
 * @param newReservationId makes ids that cannot be guessed: who knows the id and has the token can release the hold,
 * and an agent must not do that to a call that it lets others make.
 * @throws {ApiError} `INSUFFICIENT_SCOPE`, `UNPROCESSABLE` for an unknown meter, `BUDGET_EXCEEDED` when enforced.
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
  const budgets = enforceBudget ? [...(await lockBudgets(tx, [target], making)).values()].flat() : [];
  const refusal = budgetRefusal(budgets, quantity);
  if (refusal !== null) throw refusal;

  const id = newReservationId();
  const expiresAt = new Date(now.getTime() + (expiresIn ?? DEFAULT_RESERVATION_LIFETIME) * 1_000);
  const made = await tx.query(
    `INSERT INTO reservations (id, environment_id, credential_id, agent_id, meter_id, quantity, status, expires_at, created_at)
     SELECT $1, m.environment_id, $2, $3, m.id, $4, 'held', $5, $6 FROM meters m
     WHERE m.environment_id = $7 AND m.name = $8 RETURNING id`,
    [id, caller.credentialId, agentId, quantity, expiresAt, now, environmentId, meterName],
  );
  if (made.length === 0) throw unknownMeter(meterName);
  const held =
    enforceBudget || caller.hasBudgets ? tightest(await readBudgetsFor(tx, target, now)) : undefined;
  return {
    ...verificationOf(caller),
    ...(held && { budget: budgetState(held) }),
    reservation: await readReservation(tx, caller, id, now),
  };
}

/**
 * Records what was really used of a hold and frees the rest, in one step. A hold that lapsed meanwhile is recorded all
 * the same, and over the budget if need be: the work was done. The event has the reservation's id as its idempotency
 * key, so it is recorded once, whatever happens.
 *
 * @throws {ApiError} `NOT_FOUND` for a reservation of another credential, `UNPROCESSABLE` for more than was held,
 * `CONFLICT` for one that was released, or committed with another quantity.
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
  // The hold ends before the event is recorded, so that budgets never count both.
  await tx.query("UPDATE reservations SET status = 'committed', committed_quantity = $2 WHERE id = $1", [
    row.id,
    quantity,
  ]);
  const used = {
    id: making.newId(),
    environmentId: caller.environmentId,
    agentId: caller.agentId,
    meterName: row.meter_name,
    quantity,
    idempotencyKey: row.id,
    occurredAt: null,
    metadata: null,
    enforceBudget: false,
  };
  const [outcome] = await recordWithBudgets(tx, [used], making).catch((error: unknown) => {
    throw explainRefusal(error, used);
  });
  if (outcome === undefined || outcome instanceof Error) throw outcome ?? new Error("nothing was recorded");
  const { event, duplicate } = outcome;
  return {
    reservation: await readReservation(tx, caller, row.id, making.now),
    event: recordedEvent(event, duplicate, making.now),
  };
}

/**
 * Gives a hold back; nothing is billed. Releasing it again changes nothing, and one that lapsed can be released.
 *
 * @throws {ApiError} `NOT_FOUND` for a reservation of another credential, `CONFLICT` for one that was committed.
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
SELECT r.id, m.name AS meter_name, r.quantity, r.status, r.committed_quantity, r.expires_at
FROM reservations r JOIN meters m ON m.id = r.meter_id
WHERE r.environment_id = $1 AND r.credential_id = $2 AND r.id = $3`;

/** Reads a reservation as it stands. */
export async function readReservation(
  db: Queryable,
  caller: AgentCaller,
  id: string,
  now: Date,
): Promise<Reservation> {
  return toReservation(await selectReservation(db, caller, id, SELECT), now);
}

/** Only the credential that reserved gets at the hold; to any other it does not exist. */
function lockReservation(tx: Queryable, caller: AgentCaller, id: string): Promise<ReservationRow> {
  return selectReservation(tx, caller, id, `${SELECT} FOR NO KEY UPDATE OF r`);
}

async function selectReservation(db: Queryable, caller: AgentCaller, id: string, sql: string) {
  const rows = await db.query<ReservationRow>(sql, [
    caller.environmentId,
    caller.credentialId,
    uuidParam(id),
  ]);
  if (rows.length === 0) throw notFound("reservation", id);
  return onlyRow(rows);
}

function settledOtherwise(what: string): ApiError {
  return new ApiError("CONFLICT", `${what}. A reservation is settled once.`);
}
