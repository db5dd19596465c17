import type { Caller } from "../billing/caller.ts";
import type { Emitter } from "../events.ts";
import type { Policy } from "../pricing/charge-options.ts";
import { type Links, type Refusal, type RefusalCode, refuse } from "../refusal/refusal.ts";
import { digest } from "../util/digest.ts";
import { type Authorize, isRefusal } from "./authorize.ts";
import type { Admission, Settlement } from "./authorized-call.ts";
import type { Call } from "./call.ts";
import type { Gate, Passage } from "./charged-target.ts";
import { AGENT_CALLS, type Ending, type Replays, type SettleBy, type Slot } from "./idempotency-cache.ts";

/** A call that was let in, with the place for its ending. */
export interface Admitted {
  readonly admission: Admission;
  readonly slot: Slot | undefined;
}

/** Keeps calls that an agent has named from being run or billed again. */
export interface Repetitions {
  /**
   * Lets a call in by `admit`; or gives it what a repetition gets, where its agent has named it.
   *
   * @throws what `admit` throws
   */
  admit(call: Call, gate: Gate, admit: Admit): Promise<Admitted | Passage>;
}

/** Says who calls, and bills nothing. */
const VERIFY_ONLY: Policy = { charge: "call", scopes: [], enforceBudget: false, warnAgent: false };

type Admit = () => Promise<Admission | Refusal>;

/** Makes the repetitions of one paywall. */
export function createRepetitions(
  authorize: Authorize,
  replays: Replays,
  emitter: Emitter,
  links: Links,
): Repetitions {
  /** Calls whose agents are being learned: what they are refused with, if so. */
  const identifying = new Map<string, Promise<Refusal | undefined>>();

  function denied({ kind, name }: Gate, refusal: Refusal, caller: Caller | undefined): Passage {
    emitter.emit("denied", { kind, name, refusal, agentId: caller?.agentId });
    return { refusal };
  }

  /** What is kept of a call; undefined where there is nothing to be given. */
  async function given(ending: Ending, call: Call, gate: Gate): Promise<Passage | undefined> {
    if (ending.status === "void") return undefined;
    // A result is for whoever may have it now: the credential may have been revoked since it was paid for.
    const verified = await authorize.admit(call, { ...VERIFY_ONLY, scopes: gate.policy.scopes });
    return isRefusal(verified) ? { refusal: verified } : repeat(ending, call);
  }

  /** A slot where a call is the agent's first with its key, or what its repetition gets. */
  async function enter(call: Call, gate: Gate, caller: Caller): Promise<Slot | Passage> {
    for (;;) {
      const entered = replays.enter(call, caller);
      if (entered === "conflict") return denied(gate, refuse("idempotency_conflict", links), caller);
      if (entered === "unknown")
        return denied(gate, refuse("idempotency_replay", links, UNKNOWN_CALL), caller);
      if (entered === "full") return denied(gate, refuse("rate_limited", links, TOO_MANY), caller);
      if (!(entered instanceof Promise)) return entered;
      const passage = await given(await entered, call, gate);
      if (passage !== undefined) return passage;
    }
  }

  async function admitKnown(
    call: Call,
    gate: Gate,
    caller: Caller,
    admit: Admit,
  ): Promise<Admitted | Passage> {
    const slot = await enter(call, gate, caller);
    if (!("end" in slot)) return slot;
    let admission: Admission | Refusal;
    try {
      admission = await admit();
    } catch (error) {
      // Nothing ran: it was cancelled, which is no other call's affair.
      slot.end({ status: "void" }, false);
      throw error;
    }
    if (!isRefusal(admission)) return { admission, slot };
    slot.end(endingOfRefusal(admission), false);
    return isReplay(admission) ? denied(gate, admission, caller) : { refusal: admission };
  }

  /** A call whose agent is learned by billing it. Its repetitions with the same token wait for that. */
  async function admitUnknown(call: Call, gate: Gate, admit: Admit): Promise<Admitted | Passage> {
    const name = digest(call.tokenHash, call.agentKey, call.binding(), call.round());
    const other = identifying.get(name);
    if (other !== undefined) {
      const refusal = await other;
      return refusal === undefined ? admitNamed(call, gate, admit) : { refusal };
    }
    let tell: (refusal: Refusal | undefined) => void = () => undefined;
    identifying.set(name, new Promise((resolve) => (tell = resolve)));
    let refusal: Refusal | undefined;
    try {
      const admission = await admit();
      if (isRefusal(admission)) {
        if (isReplay(admission)) return recall(call, gate, admission);
        refusal = admission;
        return { refusal };
      }
      // What is billed runs, whatever is kept.
      const entered = admission.isBilled
        ? replays.enter(call, admission.caller)
        : await enter(call, gate, admission.caller);
      // Its agent was not known to be that of a call which has run.
      const passage =
        admission.isRepeated && entered instanceof Promise && (await given(await entered, call, gate));
      if (passage) return passage;
      if (typeof entered === "string" || entered instanceof Promise) return { admission, slot: undefined };
      return "end" in entered ? { admission, slot: entered } : entered;
    } finally {
      identifying.delete(name);
      tell(refusal);
    }
  }

  /** What a call gets whose key has paid for an earlier one: the result, where that is kept here. */
  async function recall(call: Call, gate: Gate, refusal: Refusal): Promise<Passage> {
    // Billing has told who it is.
    const caller = await authorize.identify(call, gate.policy);
    if (caller === undefined || isRefusal(caller)) return denied(gate, refusal, undefined);
    const kept = replays.find(call, caller);
    return (kept && (await given(await kept, call, gate))) ?? denied(gate, refusal, caller);
  }

  async function admitNamed(call: Call, gate: Gate, admit: Admit): Promise<Admitted | Passage> {
    const caller = await authorize.identify(call, gate.policy);
    if (caller === undefined) return admitUnknown(call, gate, admit);
    return isRefusal(caller) ? { refusal: caller } : admitKnown(call, gate, caller, admit);
  }

  return {
    async admit(call, gate, admit) {
      if (typeof call.agentKey === "string") return admitNamed(call, gate, admit);
      const admission = await admit();
      return isRefusal(admission) ? { refusal: admission } : { admission, slot: undefined };
    },
  };
}

/** Listeners are not told of a replay by whoever finds it: what it has paid for may be kept here. */
const isReplay = ({ code }: Refusal) => code === "idempotency_replay";

/** What a repetition gets of an ending; undefined where that came to nothing in the end. */
async function repeat(ending: Exclude<Ending, { status: "void" }>, by: Call): Promise<Passage | undefined> {
  switch (ending.status) {
    case "returned":
      return { result: ending.result };
    case "threw":
      throw ending.error;
    case "refused":
      return { refusal: ending.refusal };
    case "unsettled": {
      const settlement = await ending.settle(by);
      if (settlement.status === "refused") return { refusal: settlement.refusal };
      return settlement.status === "settled" ? { result: ending.result } : undefined;
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
function endingOfRefusal(refusal: Refusal): Ending {
  return OF_CREDENTIAL.includes(refusal.code) ? { status: "void" } : { status: "refused", refusal };
}

/** Tells repetitions what a call came to: its ending is kept where it was settled, or may be still. */
export function endSlot(slot: Slot, ending: Ending, settlement: Settlement, settle: SettleBy): void {
  if (settlement.status === "cancelled") slot.end({ status: "void" }, false);
  else if (settlement.status !== "refused") slot.end(ending, settlement.status === "settled");
  else if (settlement.refusal.retryable && ending.status === "returned")
    slot.end({ status: "unsettled", result: ending.result, settle }, true);
  else slot.end(endingOfRefusal(settlement.refusal), false);
}
