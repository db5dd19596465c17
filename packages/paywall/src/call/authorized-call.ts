import type { BillingClient } from "../billing/billing-client.ts";
import { agentNameOf, type Caller } from "../billing/caller.ts";
import type { ChargeContext } from "../billing/charge-context.ts";
import type { Emitter } from "../events.ts";
import type { Line } from "../pricing/price-call.ts";
import type { Refusal, RefusalCode } from "../refusal/refusal.ts";
import { Refused } from "../refusal/refused.ts";
import { digest } from "../util/digest.ts";
import type { Pool } from "../util/pool.ts";
import type { Call } from "./call.ts";

/** How a handler's run ended. */
export type Outcome =
  | { readonly status: "done"; readonly result: unknown }
  /** It threw, or its result is an error. */
  | { readonly status: "failed" }
  /** It asks the client for input and will be called again (protocol 2026-07-28). */
  | { readonly status: "input_required" };

/** How a run ended, and how much it reported to have used; undefined where it reported nothing. */
export interface RunEnd {
  readonly outcome: Outcome;
  readonly reported: number | undefined;
}

/** What became of a call once its handler had run: whether its result may be delivered, and delivered again. */
export type Settlement =
  /** What was due for it is billed, or nothing was. */
  | { readonly status: "settled" }
  /** It brought nothing that is billed, and nothing was. */
  | { readonly status: "void" }
  /** It was cancelled and not billed: nobody gets its result. */
  | { readonly status: "cancelled"; readonly reason: unknown }
  /** It could not be billed: nobody gets its result, unless a later try to settle it succeeds. */
  | { readonly status: "refused"; readonly refusal: Refusal };

/** A call that may run. */
export interface AuthorizedCall {
  readonly caller: Caller;
  /** Whether it is billed, now or once its handler has run: what costs nothing pays for nothing that it calls. */
  readonly isBilled: boolean;
  /** Whether its bill was recorded before: what that paid for may have been run. */
  readonly isRepeated?: boolean;
  /**
   * Whether what its handler calls is in its price: it is billed, unless it fails. What is priced by its result may
   * come to nothing.
   */
  readonly coversCalls: boolean;
  /**
   * Bills what is billed after the handler: once, however often it is asked to, unless that was refused.
   *
   * @param by - the repetition that has it billed, whose token is good where the first call's may not be any more
   */
  settle(end: RunEnd, by?: Call): Promise<Settlement>;
  /** Whether its run may report what it uses: where it is billed by its use. */
  readonly mayReport: boolean;
}

/** Bills what a handler's run brought, by an order that goes first. */
export type Settle = (later: ChargeContext, end: RunEnd) => Promise<Settlement>;

/** Names what pays for another round of a call. */
export function roundsOf(call: Call, price: Line, caller: Caller): string {
  return digest(agentNameOf(caller), call.binding(), call.opaque(), price);
}

/** What admissions need. */
export interface AuthorizedCallsOptions {
  readonly billing: BillingClient;
  readonly emitter: Emitter;
  /** Rounds that are paid for. */
  readonly rounds: Pool<true>;
}

/** The kinds of admission, each of which settles its call once. */
export interface AuthorizedCalls {
  /** Runs something that may leave by {@link Refused}, and tells the listeners of it, unless its code is `quiet`. */
  orRefusal<Value>(
    context: ChargeContext,
    run: () => Promise<Value>,
    quiet?: RefusalCode,
  ): Promise<Value | Refusal>;
  /** A call that costs nothing. */
  freeOfCharge(context: ChargeContext, caller: Caller): AuthorizedCall;
  /**
   * A call that is paid for however it ends, with all of its rounds.
   *
   * @param pay - pays once the handler has run, where the call was not paid for before
   */
  paidBy(
    context: ChargeContext,
    price: Line,
    caller: Caller,
    pay?: (later: ChargeContext) => Promise<void>,
  ): AuthorizedCall;
  /** A call that is paid for by what its handler brought. */
  paidByUse(context: ChargeContext, caller: Caller, settleUsage: Settle): AuthorizedCall;
}

/** Makes the admissions of one paywall. */
export function createAuthorizedCalls({ billing, emitter, rounds }: AuthorizedCallsOptions): AuthorizedCalls {
  const orRefusal: AuthorizedCalls["orRefusal"] = async (context, run, quiet) => {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { refusal } = error;
      const { kind, name } = context.call;
      if (refusal.code !== quiet)
        emitter.emit("denied", { kind, name, refusal, agentId: billing.lastKnown(context)?.agentId });
      return refusal;
    }
  };

  /** Settles a call once: whoever asks again is told the same, and only what was refused is tried again. */
  function settling(context: ChargeContext, settleUsage: Settle): AuthorizedCall["settle"] {
    let settlement: Promise<Settlement> | undefined;
    const settle = async (end: RunEnd, { token, tokenHash }: Call): Promise<Settlement> => {
      const call = { ...context.call, token, tokenHash };
      const later = { ...context, call, token: token ?? "", settles: true };
      const settled = await orRefusal(later, () => settleUsage(later, end));
      if (!("code" in settled)) return settled;
      settlement = undefined;
      return { status: "refused", refusal: settled };
    };
    return (end, by = context.call) => (settlement ??= settle(end, by));
  }

  return {
    orRefusal,
    freeOfCharge({ policy }, caller) {
      const isKept = (outcome: Outcome) => outcome.status === "done" || policy.charge === "call";
      return {
        caller,
        isBilled: false,
        coversCalls: false,
        mayReport: false,
        settle: async ({ outcome }) => ({ status: isKept(outcome) ? "settled" : "void" }),
      };
    },
    paidBy(context, price, caller, pay = async () => undefined) {
      const name = roundsOf(context.call, price, caller);
      const payOnce = settling(context, async (later) => {
        await pay(later);
        return { status: "settled" };
      });
      return {
        caller,
        isBilled: true,
        coversCalls: true,
        mayReport: false,
        async settle(end, by) {
          const settlement = await payOnce(end, by);
          if (settlement.status === "settled" && end.outcome.status === "input_required")
            rounds.put(name, true);
          return settlement;
        },
      };
    },
    paidByUse: (context, caller, settleUsage) => ({
      caller,
      isBilled: true,
      coversCalls: context.policy.resultQuantity === undefined,
      mayReport: true,
      settle: settling(context, settleUsage),
    }),
  };
}
