import {
  AbortError,
  AuthenticationError,
  BudgetExceededError,
  ConflictError,
  ConnectionError,
  InternalServerError,
  type Licentric,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  type RequestOptions,
  ResponseValidationError,
} from "@licentric/sdk";
import { BreakerOpenError, createBreaker } from "../breaker.ts";
import type { JournalEvent } from "../journal/journal-event.ts";
import { type Refusal, refuse } from "../refusal.ts";
import type { Answer, Gateway, GatewayOptions, MeterRequest, RefusedAnswer } from "./gateway.ts";

/** Tries after the first one. The time limit usually ends them sooner. */
const RETRIES = 3;

/** The API, reached by the official client. */
export function createSdkGateway(client: Licentric): Gateway {
  const breaker = createBreaker({
    // A call that was given up says nothing about the API.
    kindOf: (error) =>
      error instanceof AbortError ? "unknown" : isOutage(error) ? "unavailable" : "answered",
  });
  const ask = <Value>(options: GatewayOptions, send: (options: RequestOptions) => Promise<Value>) =>
    tryTwice(options, (tries) => breaker.run(() => send(tries)));
  return {
    verify: (token, request, options) =>
      ask(options, (send) => client.mcp.verify(token, toBody(request), send)),
    reserve: (token, { meterName, expiresIn, ...request }, options) =>
      ask(options, (send) =>
        client.mcp.reserve(
          token,
          { ...toBody(request), meterName, ...(expiresIn !== undefined && { expiresIn }) },
          send,
        ),
      ),
    async commit(token, reservationId, quantity, options) {
      const answer = await ask(options, (send) =>
        client.mcp.commit(token, reservationId, { quantity }, send),
      );
      if ("value" in answer)
        return { value: { lapsed: false, event: answer.value.event }, retried: answer.retried };
      const gone = answer.cause instanceof ConflictError || answer.cause instanceof NotFoundError;
      return gone ? { value: { lapsed: true }, retried: false } : answer;
    },
    release: (token, reservationId, options) =>
      ask(options, (send) => client.mcp.release(token, reservationId, send)),
    // The journal has a breaker of its own: it backs off, and nobody waits for it.
    record: (events, signal) => client.usage.recordBatch(events.map(toUsage), { signal, maxRetries: 0 }),
    close: () => client.close(),
  };
}

function toUsage({ metadata, ...event }: JournalEvent) {
  return { ...event, ...(metadata !== undefined && { metadata: { ...metadata } }) };
}

function toBody({ requiredScopes, ...request }: MeterRequest) {
  return { ...request, ...(requiredScopes !== undefined && { requiredScopes: [...requiredScopes] }) };
}

/**
 * Sends a request until it is answered or its time is over. The first try is told from the others: only after a
 * failed one can a duplicate be our own.
 */
async function tryTwice<Value>(
  { idempotencyKey, deadline }: GatewayOptions,
  send: (options: RequestOptions) => Promise<Value>,
): Promise<Answer<Value>> {
  const end = performance.now() + deadline;
  const options = () => {
    const left = Math.max(1, end - performance.now());
    // A try that hangs leaves time for another.
    return { idempotencyKey, deadline: left, timeout: Math.max(1, left / 2) };
  };
  try {
    return { value: await send({ ...options(), maxRetries: 0 }), retried: false };
  } catch (error) {
    if (!isOutage(error) || end - performance.now() < 20) return refusedBy(error, false);
  }
  try {
    return { value: await send({ ...options(), maxRetries: RETRIES - 1 }), retried: true };
  } catch (error) {
    return refusedBy(error, true);
  }
}

function isOutage(error: unknown): boolean {
  return (
    error instanceof ConnectionError ||
    error instanceof InternalServerError ||
    error instanceof ResponseValidationError
  );
}

function refusedBy(error: unknown, retried: boolean): RefusedAnswer {
  // Without an answer the API may have done what it was asked, and so it may before an earlier try failed.
  return { refusal: refusalOf(error), unknown: retried || isOutage(error), cause: error };
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof AuthenticationError) return refuse("invalid_token");
  if (error instanceof PermissionDeniedError) return refuse("insufficient_scope");
  if (error instanceof BudgetExceededError) return refuse("budget_exceeded", {}, { budget: error.budget });
  if (error instanceof RateLimitError) return refuse("rate_limited", {}, { retryAfter: error.retryAfter });
  if (error instanceof ConflictError) return refuse("idempotency_conflict");
  if (isOutage(error) || error instanceof BreakerOpenError) return refuse("billing_unavailable");
  return refuse("misconfigured");
}
