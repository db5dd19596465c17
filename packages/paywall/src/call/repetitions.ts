import type { Caller } from "../billing/caller.ts";
import type { Emitter } from "../events.ts";
import type { Policy } from "../pricing/charge-options.ts";
import { type Links, type Refusal, type RefusalCode, refuse } from "../refusal/refusal.ts";
import { digest } from "../util/digest.ts";
import { type Authorizer, isRefusal } from "./authorize.ts";
import type { AuthorizedCall, Settlement } from "./authorized-call.ts";
import type { Call } from "./call.ts";
import type { ChargedTarget, ChargeResult } from "./charged-target.ts";
import {
  AGENT_CALLS,
  type IdempotencyCache,
  type IdempotencyEntry,
  type KeptOutcome,
  type SettleBy,
} from "./idempotency-cache.ts";

/** A call that was let in, with the place for its ending. */
export interface Entered {
  readonly authorized: AuthorizedCall;
  readonly entry: IdempotencyEntry | undefined;
}

/** Keeps calls that an agent has named from being run or billed again. */
export interface Repetitions {
  /**
   * Lets a call in by `admit`; or gives it what a repetition gets, where its agent has named it.
   *
   * @throws what `admit` throws
   */
  authorizeCall(
    call: Call,
    target: ChargedTarget,
    authorizeCall: AuthorizeCall,
  ): Promise<Entered | ChargeResult>;
}

/** Says who calls, and bills nothing. */
const VERIFY_ONLY: Policy = { charge: "call", scopes: [], enforceBudget: false, warnAgent: false };

type AuthorizeCall = () => Promise<AuthorizedCall | Refusal>;

/** Makes the repetitions of one paywall. */
export function createRepetitions(
  authorizer: Authorizer,
  cache: IdempotencyCache,
  emitter: Emitter,
  links: Links,
): Repetitions {
  /** Calls whose agents are being learned: what they are refused with, if so. */
  const identifying = new Map<string, Promise<Refusal | undefined>>();

  function denied({ kind, name }: ChargedTarget, refusal: Refusal, caller: Caller | undefined): ChargeResult {
    emitter.emit("denied", { kind, name, refusal, agentId: caller?.agentId });
    return { refusal };
  }

  /** What is kept of a call; undefined where there is nothing to be given. */
  async function repeatFor(
    outcome: KeptOutcome,
    call: Call,
    target: ChargedTarget,
  ): Promise<ChargeResult | undefined> {
    if (outcome.status === "void") return undefined;
    // A result is for whoever may have it now: the credential may have been revoked since it was paid for.
    const verified = await authorizer.authorizeCall(call, { ...VERIFY_ONLY, scopes: target.policy.scopes });
    return isRefusal(verified) ? { refusal: verified } : repeat(outcome, call);
  }

  /** A slot where a call is the agent's first with its key, or what its repetition gets. */
  async function enter(
    call: Call,
    target: ChargedTarget,
    caller: Caller,
  ): Promise<IdempotencyEntry | ChargeResult> {
    for (;;) {
      const entered = cache.enter(call, caller);
      if (entered === "conflict") return denied(target, refuse("idempotency_conflict", links), caller);
      if (entered === "unknown")
        return denied(target, refuse("idempotency_replay", links, UNKNOWN_CALL), caller);
      if (entered === "full") return denied(target, refuse("rate_limited", links, TOO_MANY), caller);
      if (!(entered instanceof Promise)) return entered;
      const chargeResult = await repeatFor(await entered, call, target);
      if (chargeResult !== undefined) return chargeResult;
    }
  }

  async function enterKnown(
    call: Call,
    target: ChargedTarget,
    caller: Caller,
    authorizeCall: AuthorizeCall,
  ): Promise<Entered | ChargeResult> {
    const entry = await enter(call, target, caller);
    if (!("end" in entry)) return entry;
    let authorized: AuthorizedCall | Refusal;
    try {
      authorized = await authorizeCall();
    } catch (error) {
      // Nothing ran: it was cancelled, which is no other call's affair.
      entry.end({ status: "void" }, false);
      throw error;
    }
    if (!isRefusal(authorized)) return { authorized, entry };
    entry.end(outcomeOfRefusal(authorized), false);
    return isReplay(authorized) ? denied(target, authorized, caller) : { refusal: authorized };
  }

  /** A call whose agent is learned by billing it. Its repetitions with the same token wait for that. */
  async function enterUnknown(
    call: Call,
    target: ChargedTarget,
    authorizeCall: AuthorizeCall,
  ): Promise<Entered | ChargeResult> {
    const name = digest(call.tokenHash, call.agentKey, call.binding(), call.round());
    const other = identifying.get(name);
    if (other !== undefined) {
      const refusal = await other;
      return refusal === undefined ? enterNamed(call, target, authorizeCall) : { refusal };
    }
    let tell: (refusal: Refusal | undefined) => void = () => undefined;
    identifying.set(name, new Promise((resolve) => (tell = resolve)));
    let refusal: Refusal | undefined;
    try {
      const authorized = await authorizeCall();
      if (isRefusal(authorized)) {
        if (isReplay(authorized)) return recall(call, target, authorized);
        refusal = authorized;
        return { refusal };
      }
      // What is billed runs, whatever is kept.
      const entered = authorized.isBilled
        ? cache.enter(call, authorized.caller)
        : await enter(call, target, authorized.caller);
      // Its agent was not known to be that of a call which has run.
      const chargeResult =
        authorized.isRepeated && entered instanceof Promise && (await repeatFor(await entered, call, target));
      if (chargeResult) return chargeResult;
      if (typeof entered === "string" || entered instanceof Promise) return { authorized, entry: undefined };
      return "end" in entered ? { authorized, entry: entered } : entered;
    } finally {
      identifying.delete(name);
      tell(refusal);
    }
  }

  /** What a call gets whose key has paid for an earlier one: the result, where that is kept here. */
  async function recall(call: Call, target: ChargedTarget, refusal: Refusal): Promise<ChargeResult> {
    // Billing has told who it is.
    const caller = await authorizer.identify(call, target.policy);
    if (caller === undefined || isRefusal(caller)) return denied(target, refusal, undefined);
    const kept = cache.find(call, caller);
    return (kept && (await repeatFor(await kept, call, target))) ?? denied(target, refusal, caller);
  }

  async function enterNamed(
    call: Call,
    target: ChargedTarget,
    authorizeCall: AuthorizeCall,
  ): Promise<Entered | ChargeResult> {
    const caller = await authorizer.identify(call, target.policy);
    if (caller === undefined) return enterUnknown(call, target, authorizeCall);
    return isRefusal(caller) ? { refusal: caller } : enterKnown(call, target, caller, authorizeCall);
  }

  return {
    async authorizeCall(call, target, authorizeCall) {
      if (typeof call.agentKey === "string") return enterNamed(call, target, authorizeCall);
      const authorized = await authorizeCall();
      return isRefusal(authorized) ? { refusal: authorized } : { authorized, entry: undefined };
    },
  };
}

/** Listeners are not told of a replay by whoever finds it: what it has paid for may be kept here. */
const isReplay = ({ code }: Refusal) => code === "idempotency_replay";

/** What a repetition gets of an ending; undefined where that came to nothing in the end. */
async function repeat(
  outcome: Exclude<KeptOutcome, { status: "void" }>,
  by: Call,
): Promise<ChargeResult | undefined> {
  switch (outcome.status) {
    case "returned":
      return { result: outcome.result };
    case "threw":
      throw outcome.error;
    case "refused":
      return { refusal: outcome.refusal };
    case "unsettled": {
      const settlement = await outcome.settle(by);
      if (settlement.status === "refused") return { refusal: settlement.refusal };
      return settlement.status === "settled" ? { result: outcome.result } : undefined;
    }
  }
}

/**
 * Another handler of the same text and price has the key, or the same one on another instance of its server; or the
 * arguments hold what shows nothing of its state.
 */
const UNKNOWN_CALL = {
  message:
    "This idempotency key was used for a call whose handler or arguments this server cannot tell from those of this one. Send a new key or none. Nothing was run or charged.",
};

/** Nothing of what an agent has under way can be forgotten: a repetition of it would run once more. */
const TOO_MANY = {
  message: `This agent has ${AGENT_CALLS} calls with an idempotency key that have not ended. Wait for one of them, then call again. Nothing was run or charged.`,
};

/** Refusals of a credential, which say nothing of another one that its agent has. */
const OF_CREDENTIAL: readonly RefusalCode[] = ["invalid_token", "insufficient_scope"];

/** What repetitions are told of a refused call. */
function outcomeOfRefusal(refusal: Refusal): KeptOutcome {
  return OF_CREDENTIAL.includes(refusal.code) ? { status: "void" } : { status: "refused", refusal };
}

/** Tells repetitions what a call came to: its ending is kept where it was settled, or may be still. */
export function endEntry(
  entry: IdempotencyEntry,
  outcome: KeptOutcome,
  settlement: Settlement,
  settle: SettleBy,
): void {
  if (settlement.status === "cancelled") entry.end({ status: "void" }, false);
  else if (settlement.status !== "refused") entry.end(outcome, settlement.status === "settled");
  else if (settlement.refusal.retryable && outcome.status === "returned")
    entry.end({ status: "unsettled", result: outcome.result, settle }, true);
  else entry.end(outcomeOfRefusal(settlement.refusal), false);
}
