import type { Receipt } from "../billing/charge-context.ts";
import type { Call } from "../credential/call.ts";
import type { Caller } from "../credential/caller.ts";
import type { Emitter } from "../events.ts";
import type { AuthorizedCall } from "../modes/authorized-call.ts";
import type { KeptOutcome, SettleBy, Settlement } from "../modes/outcome.ts";
import type { Policy } from "../pricing/charge-options.ts";
import { type Links, type Refusal, type RefusalCode, refuse } from "../refusal/refusal.ts";
import { digest } from "../util/digest.ts";
import { withResolvers } from "../util/with-resolvers.ts";
import { type Authorizer, isRefusal } from "./authorizer.ts";
import type { ChargedTarget, ChargeResult } from "./charged-target.ts";
import type { IdempotencyCache, IdempotencyEntry } from "./idempotency-cache.ts";
import { AGENT_CALLS } from "./kept-calls.ts";

/** A call that may run, with its entry in the cache where its agent has named it. */
export interface Entered {
  readonly authorized: AuthorizedCall;
  readonly entry: IdempotencyEntry | undefined;
}

/** A call with its target, and the function that authorizes it. */
export interface KeyedCall {
  readonly call: Call;
  readonly target: ChargedTarget;
  authorize(): Promise<AuthorizedCall | Refusal>;
}

/** The parts that repetitions are told by. */
export interface RepetitionParts {
  readonly authorizer: Authorizer;
  readonly cache: IdempotencyCache;
  readonly emitter: Emitter;
  readonly links: Links;
}

/** Keeps calls that an agent has named from being run or billed again. */
export interface Repetitions {
  /**
   * Authorizes a call; or returns what a repetition is given, where its agent has named it.
   *
   * @throws what `authorize` throws
   */
  enter(keyed: KeyedCall): Promise<Entered | ChargeResult>;
}

interface Parts extends RepetitionParts {
  /** Calls whose agents are being learned, with the refusals that come of it. */
  readonly identifying: Map<string, Promise<Refusal | undefined>>;
}

/** Makes the repetitions of one paywall. */
export function createRepetitions(own: RepetitionParts): Repetitions {
  const parts: Parts = { ...own, identifying: new Map() };
  return {
    async enter(keyed) {
      if (typeof keyed.call.agentKey === "string") return enterNamed(parts, keyed);
      const authorized = await keyed.authorize();
      return isRefusal(authorized) ? { refusal: authorized } : { authorized, entry: undefined };
    },
  };
}

async function enterNamed(parts: Parts, keyed: KeyedCall): Promise<Entered | ChargeResult> {
  const caller = await parts.authorizer.identify(keyed.call, keyed.target.policy);
  if (caller === undefined) return enterUnknown(parts, keyed);
  return isRefusal(caller) ? { refusal: caller } : enterKnown(parts, keyed, caller);
}

async function enterKnown(parts: Parts, keyed: KeyedCall, caller: Caller): Promise<Entered | ChargeResult> {
  const entry = await entryFor(parts, keyed, caller);
  if (!("end" in entry)) return entry;
  let authorized: AuthorizedCall | Refusal;
  try {
    authorized = await keyed.authorize();
  } catch (error) {
    // Nothing ran: it was cancelled, which is no other call's affair.
    entry.end({ status: "void" }, false);
    throw error;
  }
  if (!isRefusal(authorized)) return { authorized, entry };
  entry.end(outcomeOfRefusal(authorized), false);
  return hasPaid(authorized) ? denied(parts, keyed, authorized, caller) : { refusal: authorized };
}

/** Enters a call whose agent is learned by billing it. Its repetitions with the same token wait for that. */
async function enterUnknown(parts: Parts, keyed: KeyedCall): Promise<Entered | ChargeResult> {
  const { call } = keyed;
  const name = digest(call.tokenHash, call.agentKey, call.binding(), call.round());
  const other = parts.identifying.get(name);
  if (other !== undefined) {
    const refusal = await other;
    return refusal === undefined ? enterNamed(parts, keyed) : { refusal };
  }
  const learned = withResolvers<Refusal | undefined>();
  parts.identifying.set(name, learned.promise);
  let refusal: Refusal | undefined;
  try {
    const authorized = await keyed.authorize();
    if (!isRefusal(authorized)) return await enterBilled(parts, keyed, authorized);
    if (hasPaid(authorized)) return await recall(parts, keyed, authorized);
    refusal = authorized;
    return { refusal };
  } finally {
    parts.identifying.delete(name);
    learned.resolve(refusal);
  }
}

/** Enters a call that was authorized before it was known whose it is. */
async function enterBilled(
  parts: Parts,
  keyed: KeyedCall,
  authorized: AuthorizedCall,
): Promise<Entered | ChargeResult> {
  const { caller, isBilled, isRepeated } = authorized;
  // What is billed runs, whatever is kept.
  const entered = isBilled ? parts.cache.enter(keyed.call, caller) : await entryFor(parts, keyed, caller);
  // Its agent was not known to be that of a call which has run.
  if (isRepeated && entered instanceof Promise) {
    const result = await repeatFor(parts, keyed, await entered);
    if (result !== undefined) return result;
  }
  if (typeof entered === "string" || entered instanceof Promise) return { authorized, entry: undefined };
  return "end" in entered ? { authorized, entry: entered } : entered;
}

/** Returns the entry of a call that is the agent's first with its key, or the result that a repetition is given. */
async function entryFor(
  parts: Parts,
  keyed: KeyedCall,
  caller: Caller,
): Promise<IdempotencyEntry | ChargeResult> {
  const { links, cache } = parts;
  for (;;) {
    const entered = cache.enter(keyed.call, caller);
    if (entered === "conflict") return denied(parts, keyed, refuse("idempotency_conflict", links), caller);
    if (entered === "unknown")
      return denied(parts, keyed, refuse("idempotency_replay", links, UNKNOWN_CALL), caller);
    if (entered === "full") return denied(parts, keyed, refuse("rate_limited", links, TOO_MANY), caller);
    if (!(entered instanceof Promise)) return entered;
    const result = await repeatFor(parts, keyed, await entered);
    if (result !== undefined) return result;
  }
}

/** Returns the result of the earlier call that a key has paid for, where that is kept here. */
async function recall(parts: Parts, keyed: KeyedCall, refusal: Refusal): Promise<ChargeResult> {
  // Billing has told who it is.
  const caller = await parts.authorizer.identify(keyed.call, keyed.target.policy);
  if (caller === undefined || isRefusal(caller)) return denied(parts, keyed, refusal, undefined);
  const kept = parts.cache.find(keyed.call, caller);
  const result = kept && (await repeatFor(parts, keyed, await kept));
  return result ?? denied(parts, keyed, refusal, caller);
}

/** Verifies the caller and bills nothing. */
const VERIFY_ONLY: Policy = { charge: "call", scopes: [], enforceBudget: false, warnAgent: false };

/** Returns what a repetition is given of an outcome; undefined where there is nothing to be given. */
async function repeatFor(
  { authorizer }: Parts,
  { call, target }: KeyedCall,
  outcome: KeptOutcome,
): Promise<ChargeResult | undefined> {
  if (outcome.status === "void") return undefined;
  // A result is for whoever may have it now: the credential may have been revoked since it was paid for.
  const verified = await authorizer.authorizeCall(call, { ...VERIFY_ONLY, scopes: target.policy.scopes });
  if (isRefusal(verified)) return { refusal: verified };
  switch (outcome.status) {
    case "returned":
      return { result: outcome.result, receipt: outcome.receipt };
    case "threw":
      throw outcome.error;
    case "refused":
      return { refusal: outcome.refusal };
    case "unsettled": {
      const settlement = await outcome.settle(call);
      if (settlement.status === "refused") return { refusal: settlement.refusal };
      if (settlement.status !== "settled") return undefined;
      return { result: outcome.result, receipt: settlement.receipt };
    }
  }
}

function denied(
  { emitter }: Parts,
  { target: { kind, name } }: KeyedCall,
  refusal: Refusal,
  caller: Caller | undefined,
): ChargeResult {
  emitter.emit("denied", { kind, name, refusal, agentId: caller?.agentId });
  return { refusal };
}

/** Listeners are not told of it by the authorizer: the result that the key has paid for may be kept here. */
const hasPaid = ({ code }: Refusal) => code === "idempotency_replay";

/**
 * Another handler of the same source and price has the key, or the same one on another instance of its server; or the
 * arguments hold what shows nothing of its state.
 */
const UNKNOWN_CALL = {
  message:
    "This idempotency key was used for a call whose handler or arguments this server cannot tell from those of this one. Send a new key or none. Nothing was run or charged.",
};

/** Nothing that an agent has in flight can be forgotten: a repetition of it would run once more. */
const TOO_MANY = {
  message: `This agent has ${AGENT_CALLS} calls with an idempotency key that have not ended. Wait for one of them, then call again. Nothing was run or charged.`,
};

/** Refusals of a credential, which say nothing of another one that its agent has. */
const OF_CREDENTIAL: readonly RefusalCode[] = ["invalid_token", "insufficient_scope"];

/** Returns the outcome of a refused call for its repetitions. */
function outcomeOfRefusal(refusal: Refusal): KeptOutcome {
  return OF_CREDENTIAL.includes(refusal.code) ? { status: "void" } : { status: "refused", refusal };
}

function withReceipt(outcome: KeptOutcome, receipt: Receipt | undefined): KeptOutcome {
  return outcome.status === "returned" ? { ...outcome, receipt } : outcome;
}

/** Tells repetitions the outcome of a call, which is kept where it was settled, or may be still. */
export function endEntry(
  entry: IdempotencyEntry,
  outcome: KeptOutcome,
  settlement: Settlement,
  settle: SettleBy,
): void {
  if (settlement.status === "cancelled") entry.end({ status: "void" }, false);
  else if (settlement.status === "settled") entry.end(withReceipt(outcome, settlement.receipt), true);
  else if (settlement.status === "void") entry.end(outcome, false);
  else if (settlement.refusal.retryable && outcome.status === "returned")
    entry.end({ status: "unsettled", result: outcome.result, settle }, true);
  else entry.end(outcomeOfRefusal(settlement.refusal), false);
}
