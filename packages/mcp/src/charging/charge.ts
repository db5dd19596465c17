import type { Caller } from "../caller.ts";
import type { Emitter } from "../events.ts";
import { isAgentToken } from "../http/token.ts";
import type { Refusal } from "../refusal.ts";
import { digest } from "../util/digest.ts";
import { createPool } from "../util/pool.ts";
import { type Bill, BillError, computeBill, computeResultQuantity } from "./bill.ts";
import type { Call } from "./call.ts";
import type { Policy } from "./policy.ts";
import { Refused } from "./refused.ts";
import type { Order, Teller } from "./teller.ts";

/** How a handler's run ended. */
export type Outcome =
  | { readonly status: "done"; readonly result: unknown }
  /** It threw, its result is an error, or it was cancelled in reserve mode. */
  | { readonly status: "failed" }
  /** It asks the client for input and will be called again (protocol 2026-07-28). */
  | { readonly status: "input_required" };

/** A call that may run. */
export interface Admission {
  readonly caller: Caller;
  /** Bills what is billed after the handler. A refusal means: do not deliver the result. */
  settle(outcome: Outcome): Promise<Refusal | undefined>;
  /** Whether the handler may be entered again in the same request after it was settled as `input_required`. */
  resume(): boolean;
}

/** Decides whether a call may run, and bills it. */
export type Charge = (call: Call, policy: Policy) => Promise<Admission | Refusal>;

/** Whether an answer of {@link Charge} is a refusal. */
export function isRefusal(value: Admission | Refusal): value is Refusal {
  return "code" in value;
}

/** What charging needs. */
export interface ChargeOptions {
  readonly teller: Teller;
  readonly emitter: Emitter;
  /** Bill by the journal what needs no answer. */
  readonly background: boolean;
  /** Let known agents through while the API cannot be reached. */
  readonly allowOffline: boolean;
  readonly now: () => number;
}

const HOUR = 3_600_000;

/** Makes the function that admits calls. What it remembers is bounded and may be lost: then somebody pays again, and nobody runs free. */
export function createCharge({ teller, emitter, background, allowOffline, now }: ChargeOptions): Charge {
  /** Calls that were paid for and asked for input: each pays for one more round. */
  const rounds = createPool<true>({ limit: 10_000, ttl: HOUR, now });

  return async (call, policy) => {
    const order = { call, policy, token: call.token ?? "", settles: false };
    return orRefusal(order, () => admit(order));
  };

  /** Runs something that may leave by {@link Refused}, and tells the listeners of it. */
  async function orRefusal<Value>(order: Order, run: () => Promise<Value>): Promise<Value | Refusal> {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { kind, name } = order.call;
      emitter.emit("denied", {
        kind,
        name,
        refusal: error.refusal,
        agentId: teller.lastKnown(order)?.agentId,
      });
      return error.refusal;
    }
  }

  async function admit(order: Order): Promise<Admission> {
    const { call } = order;
    if (call.token === undefined) throw teller.refuse("missing_token");
    if (!isAgentToken(call.token)) throw teller.refuse("invalid_token");
    if (call.agentKey === null) {
      throw teller.refuse("idempotency_conflict", {
        message:
          "An idempotency key is a text of 1 to 255 printable ASCII characters. Send such a key or none. Nothing was run or charged.",
      });
    }
    // Nothing was asked of the API yet, so a call that was cancelled by now costs nothing. Later that cannot be undone.
    call.signal?.throwIfAborted();
    let bill: Bill | undefined;
    try {
      bill = await priceOf(order);
      return await admitFor(order, bill);
    } catch (error) {
      return offline(order, bill, error);
    }
  }

  function admitFor(order: Order, bill: Bill | undefined): Promise<Admission> {
    const { charge, enforceBudget } = order.policy;
    if (bill === undefined) return verifyOnly(order);
    if (charge === "reserve" || (charge === "success" && enforceBudget)) return hold(order, bill);
    if (charge === "success") return billAfter(order, bill);
    // A key has to be looked up before the handler runs, and so has a budget: both need the API's answer.
    const canWait = background && !enforceBudget && order.call.agentKey === undefined;
    return canWait ? noteAfter(order, bill) : billBefore(order, bill);
  }

  async function priceOf(order: Order): Promise<Bill | undefined> {
    try {
      return await computeBill(
        order.policy,
        order.call.args,
        async () => teller.lastKnown(order) ?? (await teller.verify(order)),
      );
    } catch (error) {
      if (!(error instanceof BillError)) throw error;
      teller.report(order, error.message, error);
      throw teller.refuse("misconfigured");
    }
  }

  async function verifyOnly(order: Order): Promise<Admission> {
    const caller = await teller.verify(order);
    return { caller, settle: async () => undefined, resume: () => true };
  }

  async function billBefore(order: Order, bill: Bill): Promise<Admission> {
    const { call } = order;
    /** Names what is paid for here; most calls need no name for it. */
    const paid = () => digest(call.tokenHash, call.binding(), bill);
    const admission = (caller: Caller): Admission => ({
      caller,
      async settle(outcome) {
        if (outcome.status === "input_required") rounds.put(paid(), true);
        return undefined;
      },
      // Another request may have used the round up in the meantime.
      resume: () => rounds.take(paid()) !== undefined,
    });
    if (!call.continues || rounds.take(paid()) === undefined) {
      // Once this is billed the handler starts, whatever the call's signal says by then.
      return admission(await teller.meter(order, bill));
    }
    try {
      return admission(await teller.verify(order).catch((error: unknown) => offlineCaller(order, error)));
    } catch (error) {
      // Refused now, and paid for all the same.
      rounds.put(paid(), true);
      throw error;
    }
  }

  async function billAfter(order: Order, bill: Bill): Promise<Admission> {
    const caller = await teller.verify(order);
    order.call.signal?.throwIfAborted();
    return settledBy(order, caller, async (later, outcome) => {
      if (outcome.status !== "done") return;
      const quantity = usedQuantity(order, bill, caller, outcome.result);
      if (quantity === 0) return;
      const used = { ...bill, quantity };
      if (background && order.call.agentKey === undefined) return teller.note(later, caller, used);
      try {
        await teller.meter(later, used);
      } catch (error) {
        if (!mayPassOffline(order, error)) throw error;
        await teller.note(later, caller, used);
      }
    });
  }

  async function noteAfter(order: Order, bill: Bill): Promise<Admission> {
    const caller = await teller.verify(order);
    order.call.signal?.throwIfAborted();
    return settledBy(order, caller, async (later, outcome) => {
      if (outcome.status !== "input_required") await teller.note(later, caller, bill);
    });
  }

  async function hold(order: Order, bill: Bill): Promise<Admission> {
    const held = await teller.hold(order, bill);
    const { signal } = order.call;
    if (signal?.aborted) {
      await held.release(order);
      throw signal.reason;
    }
    // An `input_required` outcome gives the hold back: another round makes a new one.
    return settledBy(order, held.caller, async (later, outcome) => {
      const quantity = outcome.status === "done" ? usedQuantity(order, bill, held.caller, outcome.result) : 0;
      await (quantity === 0 ? held.release(later) : held.commit(later, quantity));
    });
  }

  /**
   * The agent, where it is known, the owner lets it through and nothing but the API is missing.
   *
   * @throws the error that the API's absence was told by, where it may not pass
   */
  function offlineCaller(order: Order, error: unknown): Caller {
    const caller = teller.lastKnown(order);
    const { call, policy } = order;
    if (caller === undefined || !mayPassOffline(order, error)) throw error;
    if (!policy.scopes.every((scope) => caller.scopes.includes(scope))) throw error;
    const { kind, name } = call;
    const { accountId, agentId } = caller;
    emitter.emit("verified", { kind, name, accountId, agentId, source: "offline", budget: undefined });
    return caller;
  }

  function offline(order: Order, bill: Bill | undefined, error: unknown): Admission {
    const caller = offlineCaller(order, error);
    const { policy } = order;
    return settledBy(order, caller, async (later, outcome) => {
      if (bill === undefined || outcome.status === "input_required") return;
      if (outcome.status === "failed" && policy.charge !== "call") return;
      const quantity =
        outcome.status === "done" ? usedQuantity(order, bill, caller, outcome.result) : bill.quantity;
      if (quantity > 0) await teller.note(later, caller, { ...bill, quantity });
    });
  }

  /** A budget cannot be kept and a key not be looked up without the API. */
  function mayPassOffline({ call, policy }: Order, error: unknown): boolean {
    const isOutage = error instanceof Refused && error.refusal.code === "billing_unavailable";
    return allowOffline && isOutage && !policy.enforceBudget && call.agentKey === undefined;
  }

  function settledBy(
    order: Order,
    caller: Caller,
    run: (later: Order, outcome: Outcome) => Promise<void>,
  ): Admission {
    return {
      caller,
      settle: async (outcome) =>
        await orRefusal(order, async () => {
          await run({ ...order, settles: true }, outcome);
          return undefined;
        }),
      // Nothing is paid for yet; and the owner may have called another handler, or with other arguments.
      resume: () => false,
    };
  }

  function usedQuantity(order: Order, bill: Bill, caller: Caller, result: unknown): number {
    const { call, policy } = order;
    if (policy.resultQuantity === undefined) return bill.quantity;
    try {
      const used = computeResultQuantity(policy.resultQuantity, result, call.args, caller);
      const isHeld = policy.charge === "reserve" || policy.enforceBudget;
      if (!isHeld || used <= bill.quantity) return used;
      const over = { ...bill, quantity: used };
      teller.report(
        order,
        `${used} units were used and ${bill.quantity} held: the rest is not billed`,
        undefined,
        over,
      );
    } catch (error) {
      if (!(error instanceof BillError)) throw error;
      teller.report(order, `${error.message}; ${bill.quantity} units were billed instead`, error, bill);
    }
    return bill.quantity;
  }
}
