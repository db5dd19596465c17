import { randomUUID } from "node:crypto";
import { agentNameOf, type Caller, toCaller } from "../credential/caller.ts";
import type { Emitter } from "../events.ts";
import type { Journal } from "../journal/journal.ts";
import type { Policy } from "../pricing/charge-options.ts";
import type { Line } from "../pricing/price-call.ts";
import { type Links, type RefusalCode, type RefusalDetails, refuse } from "../refusal/refusal.ts";
import { RefusedError, refusedInDoubt } from "../refusal/refused-error.ts";
import { agentBillingKey, isOfEarlierCall, triesOf } from "./billing-key.ts";
import type { ChargeContext } from "./charge-context.ts";
import {
  type Gateway,
  type GatewayOptions,
  type MeterRequest,
  type RefusedResponse,
  reasonForOwner,
} from "./gateway.ts";
import type { Sender, Unserved } from "./unserved.ts";
import type { VerificationCache } from "./verification-cache.ts";

/** The parts that the requests of a billing client share. */
export interface BillingParts {
  readonly gateway: Gateway;
  readonly emitter: Emitter;
  readonly links: Links;
  readonly cache: VerificationCache;
  readonly unserved: Unserved;
  /** The journal that usage waits in for its delivery; undefined where the paywall keeps none. */
  readonly journal: (() => Promise<Journal>) | undefined;
  /** Milliseconds for each request, from when it is sent. */
  readonly timeout: number;
  readonly now: () => number;
}

/** Checks that the API makes before it records anything. */
export type Conditions = Pick<MeterRequest, "enforceBudget" | "requiredScopes">;

/** Returns the conditions of a policy. */
export function conditions({ enforceBudget, scopes }: Pick<Policy, "enforceBudget" | "scopes">): Conditions {
  return { ...(enforceBudget && { enforceBudget }), ...(scopes.length > 0 && { requiredScopes: scopes }) };
}

/** A key, when it was sent first, and when the last try before this one was given up, where there was one. */
export interface RecordTries {
  readonly key: string;
  readonly at: number;
  readonly until: number | undefined;
}

/** The result of a request to record usage. */
export interface Recording {
  readonly caller: Caller;
  readonly duplicate: boolean;
  /** True if the agent had recorded it by an earlier request. Not told where that may have been a try of this one. */
  readonly wasRecorded: boolean;
}

/** Makes the error of a refused call. */
export function refused({ links }: BillingParts, code: RefusalCode, details?: RefusalDetails): RefusedError {
  return new RefusedError(refuse(code, links, details));
}

/** Returns the options of a request of a call. */
export function requestOptions(
  { timeout }: BillingParts,
  { settles }: ChargeContext,
  idempotencyKey: string = randomUUID(),
): GatewayOptions {
  return { idempotencyKey, deadline: timeout, settles };
}

/** Makes the error of a request that was refused: the gateway knows neither the owner's links nor what the call needs. */
export function refusedBy(
  parts: BillingParts,
  context: ChargeContext,
  response: RefusedResponse,
  line?: Line,
): RefusedError {
  const { refusal, unknown, cause } = response;
  const { code, retryAfter, budget } = refusal;
  if (code === "invalid_token") parts.cache.forget(context.call.tokenHash);
  // What an agent's key is sent as names its call and its price: it has paid for what another run of it used.
  const hasRun = context.settles;
  if (code === "idempotency_conflict" && typeof context.call.agentKey === "string")
    return refused(parts, "idempotency_replay", { hasRun });
  const reason = reasonForOwner(response);
  if (reason !== undefined) reportFailure(parts, context, reason, cause);
  const requiredScopes = code === "insufficient_scope" ? context.policy.scopes : undefined;
  const details = { retryAfter, budget, quantity: line?.quantity, requiredScopes, hasRun };
  const said = refuse(code, parts.links, details);
  return unknown ? refusedInDoubt(said) : new RefusedError(said);
}

/**
 * Accepts a caller that the API, or the cache, vouches for.
 *
 * @throws RefusedError where a scope is missing
 */
export function accept(
  { links, emitter }: BillingParts,
  { call, policy, settles }: ChargeContext,
  caller: Caller,
  source: "api" | "cache",
  recorded: boolean,
): void {
  // A server that does not know `requiredScopes` has not looked.
  if (!policy.scopes.every((scope) => caller.scopes.includes(scope))) {
    const details = { requiredScopes: policy.scopes, hasRun: settles };
    const refusal = refuse("insufficient_scope", links, details);
    throw recorded ? refusedInDoubt(refusal) : new RefusedError(refusal);
  }
  const { accountId, agentId, budget } = caller;
  emitter.emit("verified", { kind: call.kind, name: call.name, accountId, agentId, source, budget });
}

/** Verifies a caller and records nothing; without a request where the token is trusted still. */
export async function verify(parts: BillingParts, context: ChargeContext): Promise<Caller> {
  const { cache, gateway } = parts;
  const { tokenHash, signal } = context.call;
  const ask = async () => {
    const response = await gateway.verify(context.token, {}, requestOptions(parts, context));
    if ("refusal" in response) throw refusedBy(parts, context, response);
    return toCaller(response.value);
  };
  const trusted = cache.trusted(tokenHash);
  const known = trusted ?? (await cache.verified(tokenHash, ask, signal));
  const caller = { ...known, budget: undefined };
  accept(parts, context, caller, trusted === undefined ? "api" : "cache", false);
  return caller;
}

/** Returns the caller that a token stood for when it was last verified. */
export function lastKnown(
  { cache }: BillingParts,
  { call }: Pick<ChargeContext, "call">,
): Caller | undefined {
  const known = cache.lastKnown(call.tokenHash);
  return known && { ...known, budget: undefined };
}

/** Returns the caller as last known, else as the API says. The token may have become invalid since. */
export async function identify(parts: BillingParts, context: ChargeContext): Promise<Caller> {
  return lastKnown(parts, context) ?? (await verify(parts, context));
}

/** Returns for whom a call pays; its agent only where that has to be known to say which keys of a name are its own. */
export async function senderOf(
  parts: BillingParts,
  context: ChargeContext,
  name: string,
  known?: Caller,
): Promise<Sender> {
  const { tokenHash } = context.call;
  const needsAgent = known === undefined && parts.unserved.needsAgent(name, tokenHash);
  const sender = known ?? (needsAgent ? await identify(parts, context) : lastKnown(parts, context));
  return { tokenHash, agent: sender && agentNameOf(sender) };
}

/** Records usage under a key, which may have been recorded before. */
export async function record(
  parts: BillingParts,
  context: ChargeContext,
  line: Line,
  { key, at, until }: RecordTries,
  asked: Conditions,
): Promise<Recording> {
  const { gateway, cache, now } = parts;
  const askedAt = Date.now();
  const options = requestOptions(parts, context, key);
  const response = await gateway.verify(context.token, { ...line, ...asked }, options);
  if ("refusal" in response) throw refusedBy(parts, context, response, line);
  const caller = toCaller(response.value);
  cache.remember(context.call.tokenHash, caller, askedAt);
  accept(parts, context, caller, "api", true);
  const { event } = response.value;
  const tries = triesOf(at, response.retried ? now() : until, now());
  if (agentBillingKey(context) !== undefined && isOfEarlierCall(event, tries))
    throw refused(parts, "idempotency_replay", { hasRun: context.settles });
  const duplicate = event?.duplicate === true;
  return { caller, duplicate, wasRecorded: duplicate && !response.retried };
}

/** Puts usage that was recorded, or is in the journal, on the call's receipt, and tells listeners of it. */
export function emitMetered(
  { emitter }: BillingParts,
  { call, recorded }: ChargeContext,
  { agentId }: Caller,
  line: Line,
  idempotencyKey: string,
  how: { readonly duplicate: boolean; readonly pending: boolean },
): void {
  recorded.push({ ...line, idempotencyKey });
  emitter.emit("metered", { kind: call.kind, name: call.name, agentId, ...line, idempotencyKey, ...how });
}

/** Tells the owner of something to look at. */
export function reportFailure(
  { emitter, cache }: BillingParts,
  { call }: Pick<ChargeContext, "call">,
  reason: string,
  error: unknown,
  line?: Line,
): void {
  const agentId = cache.lastKnown(call.tokenHash)?.agentId;
  emitter.emit("failed", {
    reason,
    error,
    kind: call.kind,
    name: call.name,
    ...line,
    ...(agentId !== undefined && { agentId }),
  });
}
