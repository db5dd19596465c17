import { createHash } from "node:crypto";
import {
  MAX_CLOCK_SKEW,
  NewUsageEvent,
  type RecordOutcome,
  type RecordResult,
  type RecordStatuses,
  type RecordUsage,
} from "@licentric/contract";
import { z } from "zod";
import type { KeyCaller } from "../accounts/caller.ts";
import { hasBudget } from "../agents/has-budget.ts";
import { ApiError, notFound } from "../http/api-error.ts";
import { parse } from "../http/parse.ts";
import type { Services } from "../services.ts";
import { isUuid, type Queryable, uuidParam } from "../store/database.ts";
import type { PendingEvent } from "./record-events.ts";

const EARLIEST = Date.UTC(2000);

/** A request to record usage. */
interface BatchRequest {
  readonly caller: KeyCaller;
  readonly body: z.output<typeof RecordUsage>;
  readonly idempotencyKey: string | null;
  /** True where the events are to be left out of the response: the sender has them. */
  readonly minimal: boolean;
  readonly now: Date;
}

/**
 * Records usage without an agent's token, each event with an outcome of its own. They go through the recorder that
 * verify uses, so that concurrent requests share a commit. It has happened, so neither a meter's limit for one call nor
 * an enforced budget refuses it: what is over such a budget is recorded, and flagged.
 *
 * An event without a key of its own gets one from the request's, where that has one: the repeated request records
 * nothing twice.
 */
export async function recordBatch(
  {
    caller: { environmentId, keyId },
    body: { events },
    idempotencyKey: requestKey,
    minimal,
    now,
  }: BatchRequest,
  { db, record, recordBudgeted, newId }: Pick<Services, "db" | "record" | "recordBudgeted" | "newId">,
): Promise<z.output<typeof RecordResult> | z.output<typeof RecordStatuses>> {
  const prefix =
    requestKey === null ? null : createHash("sha256").update(`${keyId}\n${requestKey}`).digest("hex");
  const budgeted = await agentsWithBudgets(db, environmentId, events);
  const results = await Promise.allSettled(
    events.map(async (sent, index): Promise<RecordOutcome> => {
      const { idempotencyKey, ...usage } = toPendingEvent(sent, `events.${index}`, now);
      const pending = {
        ...usage,
        id: newId(),
        environmentId,
        idempotencyKey: idempotencyKey ?? (prefix === null ? null : `${prefix}:${index}`),
      };
      const { event, duplicate, overBudget } = budgeted.has(usage.agentId)
        ? await recordBudgeted({ ...pending, mustFit: "none" })
        : { ...(await record(pending)), overBudget: false };
      if (duplicate) return { status: "duplicate", event };
      return { status: "recorded", event, ...(overBudget && { overBudget }) };
    }),
  );
  const outcomes = results.map((result) =>
    result.status === "fulfilled" ? result.value : rejected(result.reason),
  );
  return { results: minimal ? outcomes.map(withoutEvent) : outcomes };
}

function withoutEvent(outcome: RecordOutcome): z.output<typeof RecordStatuses>["results"][number] {
  if (outcome.status === "rejected") return outcome;
  const { event: _, ...status } = outcome;
  return status;
}

/** The agents to whose usage budgets apply; one query for a whole batch. */
async function agentsWithBudgets(
  db: Queryable,
  environmentId: string,
  events: readonly unknown[],
): Promise<ReadonlySet<string>> {
  const agentIds = events.map((event) => WithAgent.safeParse(event).data?.agentId ?? "");
  const rows = await db.query<{ id: string }>(
    `/* agents-with-budgets */
     SELECT a.id FROM agents a WHERE a.environment_id = $1 AND a.id = ANY ($2::uuid[])
       AND ${hasBudget("a.id", "a.customer_id")}`,
    [environmentId, [...new Set(agentIds.map(uuidParam))]],
  );
  return new Set(rows.map(({ id }) => id));
}

const WithAgent = z.object({ agentId: z.string() });

/** @throws {ApiError} `VALIDATION_ERROR` or `NOT_FOUND` for an event that cannot be recorded. */
function toPendingEvent(value: unknown, path: string, now: Date): Omit<PendingEvent, "id" | "environmentId"> {
  const event = parse(NewUsageEvent, value, path);
  if (!isUuid(event.agentId)) throw notFound("agent", event.agentId);
  return {
    agentId: event.agentId.toLowerCase(),
    meterName: event.meterName,
    quantity: event.quantity ?? 1,
    byAgent: false,
    idempotencyKey: event.idempotencyKey ?? null,
    occurredAt: event.timestamp === undefined ? null : toMoment(event.timestamp, `${path}.timestamp`, now),
    metadata: event.metadata ?? null,
  };
}

/**
 * Parses the moment at which usage happened; null means now. A clock may be a little ahead, and usage in the
 * future cannot be billed.
 */
function toMoment(timestamp: string, path: string, now: Date): Date | null {
  const at = new Date(timestamp);
  if (at <= now && at.getTime() >= EARLIEST) return at;
  if (at > now && at.getTime() <= now.getTime() + MAX_CLOCK_SKEW * 1_000) return null;
  const message =
    at > now
      ? `lies more than ${MAX_CLOCK_SKEW} seconds in the future; the server's time is ${now.toISOString()}`
      : "lies before the year 2000; send when the usage happened, or leave timestamp out for now";
  throw new ApiError("VALIDATION_ERROR", `${path}: ${message}`, {
    issues: [{ path, message, code: "custom" }],
  });
}

/** A refusal is the event's own outcome; a fault (the database is away) is the request's. */
function rejected(reason: unknown): RecordOutcome {
  if (!(reason instanceof ApiError)) throw reason;
  const issues = reason.details?.["issues"];
  return {
    status: "rejected",
    error: reason.message,
    code: reason.code,
    ...(Array.isArray(issues) && { issues }),
  };
}
