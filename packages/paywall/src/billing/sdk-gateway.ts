import {
  type AgentPrice,
  AuthenticationError,
  BudgetExceededError,
  ConflictError,
  ConnectionError,
  InternalServerError,
  type Licentric,
  LicentricError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  type RequestOptions,
  ResponseValidationError,
} from "@licentric/sdk";
import { hashToken } from "../credential/find-credential.ts";
import type { DeliveryOutcome } from "../journal/delivery.ts";
import { toEventBatch } from "../journal/event-batch.ts";
import { type Refusal, refuse } from "../refusal/refusal.ts";
import { type Breaker, BreakerOpenError, createBreaker, type FailureKind } from "./circuit-breaker.ts";
import { createFairQueue, type FairQueue, QueueError } from "./fair-queue.ts";
import type { Gateway, GatewayOptions, GatewayResponse, MeterRequest, RefusedResponse } from "./gateway.ts";

/** Tries after the first one. The time limit usually ends them sooner. */
const RETRIES = 3;

/** Bytes of a response that are read at most: there is one agent in it, with 50 scopes of 100 characters at most. */
const MAX_RESPONSE_BYTES = 1_048_576;

/**
 * Requests with one token that are in flight at most: more than an agent needs where the API is quick, and where it
 * is not, what another agent's request finds before it.
 */
const PER_TOKEN = 16;

/** Requests in flight at most: fewer than the client's 256 connections, so that none waits where its time runs. */
const IN_FLIGHT = 200;

/** Requests with one token that wait at most. */
const WAITING = 256;

/**
 * Requests with tokens for which the API has answered nothing good yet: anybody can make up any number of them. As many
 * wait as an API with a latency of 250 ms answers in 5 s: of each there is a token of 504 bytes at most, a timer, and the
 * call with its arguments, whose size is the owner's HTTP server's to limit.
 */
const STRANGERS = { share: 50, total: IN_FLIGHT - PER_TOKEN, waiting: 4_096 };

/** The factor by which more requests may wait, and longer, once the handler has run: its work would be lost. */
const SETTLING = 4;

/** Options of {@link createSdkGateway}. */
export interface SdkGatewayOptions {
  /** Tokens that the API has vouched for that are remembered, by their hashes; 10 000 by default. */
  readonly knownTokens?: number;
  /** A number from 0 and below 1 that no caller can foresee; `Math.random` by default. */
  readonly random?: () => number;
}

/** The API, reached by the official client. */
export function createSdkGateway(
  client: Licentric,
  { knownTokens = 10_000, random = Math.random }: SdkGatewayOptions = {},
): Gateway {
  const queue = createFairQueue({
    perCaller: PER_TOKEN,
    total: IN_FLIGHT,
    waiting: WAITING,
    waitingFirst: SETTLING * WAITING,
    strangers: STRANGERS,
    knownCallers: knownTokens,
    random,
  });
  const breaker = createBreaker({ kindOf });
  const ask: Ask = (token, options, send) => askInTurn({ queue, breaker }, token, options, send);
  return {
    verify: (token, request, options) =>
      ask(token, options, (send) => client.mcp.verify(token, toBody(request), send)),
    reserve: (token, { meterName, expiresIn, ...request }, options) => {
      const body = { ...toBody(request), meterName, ...(expiresIn !== undefined && { expiresIn }) };
      return ask(token, options, (send) => client.mcp.reserve(token, body, send));
    },
    async commit(token, reservationId, quantity, options) {
      const response = await ask(token, { ...options, settles: true }, (send) =>
        client.mcp.commit(token, reservationId, { quantity }, send),
      );
      if ("value" in response)
        return { value: { lapsed: false, event: response.value.event }, retried: response.retried };
      return isGone(response) ? { value: { lapsed: true }, retried: false } : response;
    },
    async release(token, reservationId, options) {
      const response = await ask(token, { ...options, settles: true }, (send) =>
        client.mcp.release(token, reservationId, send),
      );
      if ("value" in response) return { value: { committed: false }, retried: response.retried };
      if (!isGone(response)) return response;
      return { value: { committed: response.cause instanceof ConflictError }, retried: false };
    },
    listPrices: (token, options) =>
      ask(token, options, async ({ idempotencyKey: _, ...send }) => {
        const prices: AgentPrice[] = [];
        for await (const price of client.mcp.listPrices(token, { limit: 100 }, send)) prices.push(price);
        return prices;
      }),
    // The journal has a breaker of its own: it backs off, and nobody waits for it.
    record: createRecord(({ json, count }, signal) =>
      client.usage.recordJson(json, count, { signal, maxRetries: 0 }),
    ),
    close: () => client.close(),
  };
}

/**
 * Makes the function that delivers journalled usage. A proxy may take smaller requests than the API does: what is too large
 * for it (413) is sent in parts, which stay as small. What was recorded before a part fails is a duplicate the next time.
 */
function createRecord(send: Gateway["record"]): Gateway["record"] {
  let most = Number.POSITIVE_INFINITY;
  return async (batch, signal) => {
    const outcomes: DeliveryOutcome[] = [];
    for (let rest = batch; rest.count > 0; ) {
      const part = rest.count > most ? toEventBatch(rest.events().slice(0, most)) : rest;
      try {
        outcomes.push(...(await send(part, signal)));
      } catch (error) {
        const isTooLarge = error instanceof LicentricError && error.status === 413;
        if (!isTooLarge || part.count === 1) throw error;
        most = Math.ceil(part.count / 2);
        continue;
      }
      if (part === rest) break;
      rest = toEventBatch(rest.events().slice(part.count));
    }
    return outcomes;
  };
}

type Ask = <Value>(
  token: string,
  options: GatewayOptions,
  send: (options: RequestOptions) => Promise<Value>,
) => Promise<GatewayResponse<Value>>;

/** Sends a request when its caller's turn has come, unless the API is taken for dead. */
async function askInTurn<Value>(
  { queue, breaker }: { readonly queue: FairQueue; readonly breaker: Breaker },
  token: string,
  options: GatewayOptions,
  send: (options: RequestOptions) => Promise<Value>,
): Promise<GatewayResponse<Value>> {
  const caller = hashToken(token);
  const responsesBefore = breaker.responses();
  const { deadline, settles = false } = options;
  const waiting = { patience: settles ? SETTLING * deadline : deadline, first: settles };
  // A call whose handler has run was authorized, however long ago.
  if (settles) queue.trust(caller);
  try {
    const response = await queue.run(caller, waiting, () =>
      tryTwice(options, (tries) => breaker.run(() => send(tries), caller)),
    );
    if ("value" in response) queue.trust(caller);
    else if (response.refusal.code === "invalid_token") queue.distrust(caller);
    return response;
  } catch (error) {
    if (!(error instanceof QueueError)) throw error;
    // Where nothing was answered in all that time, it is no matter of how many there are.
    const isAway = error.reason === "late" && breaker.responses() === responsesBefore;
    const refusal = isAway
      ? refuse("billing_unavailable")
      : refuse("rate_limited", {}, { retryAfter: Math.ceil(deadline / 1_000) });
    return { refusal, unknown: false, cause: error };
  }
}

/** Returns whether a reservation was settled already, or is unknown to the API. */
function isGone({ cause }: RefusedResponse): boolean {
  return (cause instanceof ConflictError || cause instanceof NotFoundError) && cause.answeredByApi;
}

function toBody({ requiredScopes, ...request }: MeterRequest) {
  return { ...request, ...(requiredScopes !== undefined && { requiredScopes: [...requiredScopes] }) };
}

/**
 * Sends a request until it is answered or its time is over. Each try has all of the time that is left: a slow API is
 * slow, not away. The first is told from the others: only after a failed one can a duplicate be our own.
 */
async function tryTwice<Value>(
  { idempotencyKey, deadline }: GatewayOptions,
  send: (options: RequestOptions) => Promise<Value>,
): Promise<GatewayResponse<Value>> {
  const end = performance.now() + deadline;
  const options = () => {
    const left = Math.max(1, end - performance.now());
    return { idempotencyKey, deadline: left, timeout: left, maxResponseBytes: MAX_RESPONSE_BYTES };
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

/** Neither a call that was given up nor a proxy's page says anything about the API. */
function kindOf(error: unknown): FailureKind {
  const isFromApi = error instanceof LicentricError && error.answeredByApi;
  if (isFromApi && !(error instanceof InternalServerError)) return "answered";
  return isOutage(error) ? "unavailable" : "unknown";
}

/** Returns whether the API, or what stands before it, did not do what it was asked and may do it the next time. */
function isOutage(error: unknown): boolean {
  return (
    error instanceof ConnectionError ||
    error instanceof InternalServerError ||
    error instanceof ResponseValidationError ||
    // The request did not arrive whole, or too early.
    (error instanceof LicentricError && (error.status === 408 || error.status === 425))
  );
}

/** Returns whether something else answered in the API's place, a proxy or a firewall: that is nothing of the agent's. */
function isForeign(error: unknown): error is LicentricError {
  return error instanceof LicentricError && error.status !== undefined && !error.answeredByApi;
}

function refusedBy(error: unknown, retried: boolean): RefusedResponse {
  // Without its response the API may have done what it was asked, and so it may before an earlier try failed.
  const unknown = retried || isOutage(error) || isForeign(error);
  return { refusal: refusalOf(error), unknown, cause: error };
}

/** Returns whether a success came from something that is no API: a page, or JSON of another form. */
function isNoApi(error: unknown): boolean {
  if (!(error instanceof ResponseValidationError)) return false;
  return error.issues.length > 0 || !/json/.test(error.headers?.get("content-type") ?? "");
}

function refusalOf(error: unknown): Refusal {
  if (isNoApi(error)) return refuse("misconfigured");
  if (isOutage(error) || error instanceof BreakerOpenError) return refuse("billing_unavailable");
  // A proxy's own rate limit passes by itself; whatever else it says, somebody has to look at it.
  if (isForeign(error)) return refuse(error.status === 429 ? "billing_unavailable" : "misconfigured");
  if (error instanceof AuthenticationError) return refuse("invalid_token");
  if (error instanceof PermissionDeniedError) return refuse("insufficient_scope");
  if (error instanceof BudgetExceededError) return refuse("budget_exceeded", {}, { budget: error.budget });
  if (error instanceof RateLimitError) return refuse("rate_limited", {}, { retryAfter: error.retryAfter });
  if (error instanceof ConflictError) return refuse("idempotency_conflict");
  return refuse("misconfigured");
}
