import {
  DEFAULT_METER_NAME,
  type RecordedEvent,
  type UsageEvent,
  type Verification,
  type VerifyRequest,
} from "@licentric/contract";
import type { z } from "zod";
import { type AgentCaller, requireAgentScopes } from "../accounts/caller.ts";
import type { Services } from "../services.ts";
import { budgetRefusal } from "./budget-refusal.ts";
import { budgetState, tightest } from "./budget-rules.ts";
import { readBudgetsFor } from "./budget-use.ts";
import type { BudgetedOutcome } from "./budgeted-recorder.ts";
import type { PendingEvent } from "./record-events.ts";
import { BudgetUncheckedError } from "./recorder.ts";

/**
 * Answers who holds a token and, with a meter named, records usage for it. The answer goes out after the event is
 * durable.
 *
 * Budgets cost nothing where the agent has none. With no meter named the answer has the state of the budget of
 * `api_calls`, for whoever checks it before serving a tool; to enforce it then is to ask for room for one more call.
 *
 * @throws {ApiError} `INSUFFICIENT_SCOPE`; `BUDGET_EXCEEDED` where the caller or a budget's own mark enforces it; else as
 * the recorder.
 */
export async function verify(
  caller: AgentCaller,
  request: z.output<typeof VerifyRequest>,
  idempotencyKey: string | null,
  now: Date,
  services: Pick<Services, "db" | "record" | "recordBudgeted" | "newId">,
): Promise<Verification> {
  const { meterName, quantity = 1, enforceBudget = false, requiredScopes = [] } = request;
  requireAgentScopes(caller, requiredScopes);
  const verified = verificationOf(caller);
  if (meterName === undefined) {
    if (!caller.hasBudgets) return verified;
    const budgets = await readBudgetsFor(services.db, { ...caller, meterName: DEFAULT_METER_NAME }, now);
    const use = { meterName: DEFAULT_METER_NAME, quantity: 1 };
    const refusal = enforceBudget ? budgetRefusal(budgets, use) : null;
    if (refusal !== null) throw refusal;
    const budget = tightest(budgets);
    return { ...verified, ...(budget && { budget: budgetState(budget, DEFAULT_METER_NAME) }) };
  }

  const pending = {
    id: services.newId(),
    environmentId: caller.environmentId,
    agentId: caller.agentId,
    meterName,
    quantity,
    byAgent: true,
    idempotencyKey,
    occurredAt: null,
    metadata: null,
  };
  const { event, duplicate, budget } = await recordFor(caller, pending, enforceBudget, services);
  return {
    ...verified,
    event: recordedEvent(event, duplicate, now),
    ...(budget && { budget }),
  };
}

/** Enforcement goes by the locked rows: a budget may have been made, or marked, since the token was looked up. */
async function recordFor(
  caller: AgentCaller,
  pending: PendingEvent,
  enforceBudget: boolean,
  { record, recordBudgeted }: Pick<Services, "record" | "recordBudgeted">,
): Promise<Pick<BudgetedOutcome, "event" | "duplicate" | "budget">> {
  if (!enforceBudget && !caller.hasBudgets) {
    try {
      return { ...(await record(pending)), budget: undefined };
    } catch (error) {
      if (!(error instanceof BudgetUncheckedError)) throw error;
    }
  }
  return recordBudgeted({ ...pending, mustFit: enforceBudget ? "all" : "enforced" });
}

/**
 * Converts the event that a verification or a commit recorded, or that its key had recorded before, to its
 * response.
 */
export function recordedEvent(event: UsageEvent, duplicate: boolean, now: Date): RecordedEvent {
  const { id, meterName, quantity, createdAt } = event;
  const age = Math.max(0, now.getTime() - Date.parse(createdAt));
  return { id, meterName, quantity, duplicate, ...(duplicate && { age }) };
}

/** Returns the part of a verification's response that describes its caller. */
export function verificationOf(caller: AgentCaller): Verification {
  return {
    accountId: caller.accountId,
    agentId: caller.agentId,
    scopes: [...caller.scopes],
    expiresAt: caller.expiresAt.toISOString(),
  };
}
