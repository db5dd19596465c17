import { createHash } from "node:crypto";
import {
  MAX_CLOCK_SKEW,
  NewUsageEvent,
  type RecordOutcome,
  type RecordResult,
  type RecordUsage,
} from "@licentric/contract";
import type { z } from "zod";
import type { KeyCaller } from "../accounts/caller.ts";
import { ApiError, notFound } from "../http/api-error.ts";
import { parse } from "../http/parse.ts";
import type { Services } from "../services.ts";
import { isUuid } from "../store/database.ts";
import type { PendingEvent } from "./record-events.ts";

const EARLIEST = Date.UTC(2000);

/**
 * Records usage without an agent's token, each event with an outcome of its own. They go through the recorder that
 * verify uses, so that concurrent requests share a commit.
 *
 * An event without a key of its own gets one from the request's, where that has one: the repeated request records
 * nothing twice.
 */
export async function recordBatch(
  { environmentId, keyId }: KeyCaller,
  { events }: z.output<typeof RecordUsage>,
  requestKey: string | null,
  now: Date,
  { record, newId }: Pick<Services, "record" | "newId">,
): Promise<z.output<typeof RecordResult>> {
  const prefix =
    requestKey === null ? null : createHash("sha256").update(`${keyId}\n${requestKey}`).digest("hex");
  const results = await Promise.allSettled(
    events.map(async (event, index): Promise<RecordOutcome> => {
      const { idempotencyKey, ...pending } = toPendingEvent(event, `events.${index}`, now);
      const recorded = await record({
        ...pending,
        id: newId(),
        environmentId,
        idempotencyKey: idempotencyKey ?? (prefix === null ? null : `${prefix}:${index}`),
      });
      return { status: recorded.duplicate ? "duplicate" : "recorded", event: recorded.event };
    }),
  );
  return {
    results: results.map((result) =>
      result.status === "fulfilled" ? result.value : rejected(result.reason),
    ),
  };
}

/** @throws {ApiError} `VALIDATION_ERROR` or `NOT_FOUND` for an event that cannot be recorded. */
function toPendingEvent(value: unknown, path: string, now: Date): Omit<PendingEvent, "id" | "environmentId"> {
  const event = parse(NewUsageEvent, value, path);
  if (!isUuid(event.agentId)) throw notFound("agent", event.agentId);
  return {
    agentId: event.agentId.toLowerCase(),
    meterName: event.meterName,
    quantity: event.quantity ?? 1,
    idempotencyKey: event.idempotencyKey ?? null,
    occurredAt: event.timestamp === undefined ? null : toMoment(event.timestamp, `${path}.timestamp`, now),
    metadata: event.metadata ?? null,
  };
}

/** When usage happened; null: now. A clock may be a little ahead, and usage of the future cannot be billed. */
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
