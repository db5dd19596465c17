import type { Teller } from "../billing/billing-client.ts";
import { agentNameOf, type Caller } from "../billing/caller.ts";
import type { Order } from "../billing/charge-context.ts";
import type { Emitter } from "../events.ts";
import type { Bill } from "../pricing/price-call.ts";
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
export interface Ended {
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
export interface Admission {
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
  settle(ended: Ended, by?: Call): Promise<Settlement>;
  /** Whether its run may report what it uses: where it is billed by its use. */
  readonly mayReport: boolean;
}

/** Bills what a handler's run brought, by an order that goes first. */
export type Settle = (later: Order, ended: Ended) => Promise<Settlement>;

/** Names what pays for another round of a call. */
export function roundsOf(call: Call, price: Bill, caller: Caller): string {
  return digest(agentNameOf(caller), call.binding(), call.opaque(), price);
}

/** What admissions need. */
export interface AdmissionOptions {
  readonly teller: Teller;
  readonly emitter: Emitter;
  /** Rounds that are paid for. */
  readonly rounds: Pool<true>;
}

/** The kinds of admission, each of which settles its call once. */
export interface Admissions {
  /** Runs something that may leave by {@link Refused}, and tells the listeners of it, unless its code is `quiet`. */
  orRefusal<Value>(order: Order, run: () => Promise<Value>, quiet?: RefusalCode): Promise<Value | Refusal>;
  /** A call that costs nothing. */
  freeOfCharge(order: Order, caller: Caller): Admission;
  /**
   * A call that is paid for however it ends, with all of its rounds.
   *
   * @param pay - pays once the handler has run, where the call was not paid for before
   */
  paidBy(order: Order, price: Bill, caller: Caller, pay?: (later: Order) => Promise<void>): Admission;
  /** A call that is paid for by what its handler brought. */
  paidByUse(order: Order, caller: Caller, bill: Settle): Admission;
}

/** Makes the admissions of one paywall. */
export function createAdmissions({ teller, emitter, rounds }: AdmissionOptions): Admissions {
  const orRefusal: Admissions["orRefusal"] = async (order, run, quiet) => {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { refusal } = error;
      const { kind, name } = order.call;
      if (refusal.code !== quiet)
        emitter.emit("denied", { kind, name, refusal, agentId: teller.lastKnown(order)?.agentId });
      return refusal;
    }
  };

  /** Settles a call once: whoever asks again is told the same, and only what was refused is tried again. */
  function settling(order: Order, bill: Settle): Admission["settle"] {
    let settlement: Promise<Settlement> | undefined;
    const settle = async (ended: Ended, { token, tokenHash }: Call): Promise<Settlement> => {
      const call = { ...order.call, token, tokenHash };
      const later = { ...order, call, token: token ?? "", settles: true };
      const settled = await orRefusal(later, () => bill(later, ended));
      if (!("code" in settled)) return settled;
      settlement = undefined;
      return { status: "refused", refusal: settled };
    };
    return (ended, by = order.call) => (settlement ??= settle(ended, by));
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
    paidBy(order, price, caller, pay = async () => undefined) {
      const name = roundsOf(order.call, price, caller);
      const payOnce = settling(order, async (later) => {
        await pay(later);
        return { status: "settled" };
      });
      return {
        caller,
        isBilled: true,
        coversCalls: true,
        mayReport: false,
        async settle(ended, by) {
          const settlement = await payOnce(ended, by);
          if (settlement.status === "settled" && ended.outcome.status === "input_required")
            rounds.put(name, true);
          return settlement;
        },
      };
    },
    paidByUse: (order, caller, bill) => ({
      caller,
      isBilled: true,
      coversCalls: order.policy.resultQuantity === undefined,
      mayReport: true,
      settle: settling(order, bill),
    }),
  };
}
