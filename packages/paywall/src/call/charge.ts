import type { Caller } from "../billing/caller.ts";
import type { Order } from "../billing/order.ts";
import type { Teller } from "../billing/teller.ts";
import type { Call } from "../call.ts";
import { isAgentToken } from "../credential/token.ts";
import type { Emitter } from "../events.ts";
import type { Policy } from "../pricing/charge-options.ts";
import { type Bill, BillError, computeBill, computeResultQuantity } from "../pricing/price-call.ts";
import type { Refusal } from "../refusal.ts";
import { Refused } from "../refused.ts";
import { createPool } from "../util/pool.ts";
import { type Admission, createAdmissions, roundsOf } from "./admission.ts";

/** Decides whether calls may run, and bills them. */
export interface Charge {
  /** Lets a call in, or says why not. Listeners are told of it, but for a replay: what that has paid for may be kept. */
  admit(call: Call, policy: Policy): Promise<Admission | Refusal>;
  /**
   * Who makes a call, whose token may have been revoked since; undefined where that is not known, and is learned by
   * billing the call in the same request.
   */
  identify(call: Call, policy: Policy): Promise<Caller | Refusal | undefined>;
}

/** Whether an answer of {@link Charge} is a refusal. */
export function isRefusal(value: object): value is Refusal {
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
  const { orRefusal, freeOfCharge, paidBy, paidByUse } = createAdmissions({ teller, emitter, rounds });

  const orderFor = (call: Call, policy: Policy): Order => {
    return { call, policy, token: call.token ?? "", price: undefined, settles: false };
  };
  return {
    async admit(call, policy) {
      const order = orderFor(call, policy);
      return orRefusal(order, () => admit(order), "idempotency_replay");
    },
    async identify(call, policy) {
      const order = orderFor(call, policy);
      return orRefusal(order, async () => {
        checkCall(call);
        const known = teller.lastKnown(order);
        if (known !== undefined) return known;
        return policy.charge === "call" && policy.meterName !== undefined ? undefined : teller.verify(order);
      });
    },
  };

  /** Checks what can be told of a call without asking. */
  function checkCall(call: Call): void {
    if (call.token === undefined) throw teller.refuse("missing_token");
    if (!isAgentToken(call.token)) throw teller.refuse("invalid_token");
    if (call.agentKey === null) {
      throw teller.refuse("idempotency_conflict", {
        message:
          "An idempotency key is a text of 1 to 255 printable ASCII characters. Send such a key or none. Nothing was run or charged.",
      });
    }
  }

  async function admit(order: Order): Promise<Admission> {
    const { call } = order;
    checkCall(call);
    // Nothing was asked of the API yet, so a call that was cancelled by now costs nothing. Later that cannot be undone.
    call.signal?.throwIfAborted();
    let priced = order;
    try {
      priced = { ...order, price: await priceOf(order) };
      return await admitFor(priced, priced.price);
    } catch (error) {
      return offline(priced, error);
    }
  }

  function admitFor(order: Order, price: Bill | undefined): Promise<Admission> {
    const { charge, enforceBudget } = order.policy;
    if (price === undefined) return verifyOnly(order);
    if (charge === "reserve" || (charge === "success" && enforceBudget)) return hold(order, price);
    return charge === "success" ? billAfter(order, price) : billOnce(order, price);
  }

  async function priceOf(order: Order): Promise<Bill | undefined> {
    try {
      return await computeBill(order.policy, order.call.args, () => teller.identify(order));
    } catch (error) {
      if (!(error instanceof BillError)) throw error;
      teller.report(order, error.message, error);
      throw teller.refuse("misconfigured");
    }
  }

  async function verifyOnly(order: Order): Promise<Admission> {
    return freeOfCharge(order, await teller.verify(order));
  }

  /** Bills a call for being made, with all of its rounds. */
  async function billOnce(order: Order, price: Bill): Promise<Admission> {
    const { call, policy } = order;
    if (call.continues) {
      const name = roundsOf(call, price, await teller.identify(order));
      if (rounds.take(name) !== undefined) return goOn(order, price, name);
    }
    // Names the call's further rounds. Nothing that could fail stands between its bill and its handler.
    call.binding();
    // A key has to be looked up before the handler runs, and so has a budget: both need the API's answer.
    const canWait = background && !policy.enforceBudget && call.agentKey === undefined;
    // Once this is billed the handler starts, whatever the call's signal says by then.
    if (!canWait) return paidBy(order, price, await teller.meter(order, price));
    const caller = await teller.verify(order);
    call.signal?.throwIfAborted();
    return paidBy(order, price, caller, (later) => teller.note(later, caller, price));
  }

  /** Admits another round of a call that was paid for. */
  async function goOn(order: Order, price: Bill, name: string): Promise<Admission> {
    try {
      const caller = await teller.verify(order).catch((error: unknown) => offlineCaller(order, error));
      return paidBy(order, price, caller);
    } catch (error) {
      // Refused now, and paid for all the same.
      rounds.put(name, true);
      throw error;
    }
  }

  async function billAfter(order: Order, price: Bill): Promise<Admission> {
    const caller = await teller.verify(order);
    order.call.signal?.throwIfAborted();
    return paidByUse(order, caller, async (later, outcome) => {
      if (outcome.status !== "done") return { status: "void" };
      const quantity = usedQuantity(order, price, caller, outcome.result);
      if (quantity === 0) return { status: "settled" };
      const used = { ...price, quantity };
      if (background && order.call.agentKey === undefined) await teller.note(later, caller, used);
      else await meterOrNote(later, used, caller);
      return { status: "settled" };
    });
  }

  async function meterOrNote(order: Order, used: Bill, caller: Caller): Promise<void> {
    try {
      await teller.meter(order, used, caller);
    } catch (error) {
      if (!mayPassOffline(order, error)) throw error;
      await teller.note(order, caller, used);
    }
  }

  async function hold(order: Order, price: Bill): Promise<Admission> {
    const held = await teller.hold(order, price);
    const { caller } = held;
    const { signal } = order.call;
    if (signal?.aborted) {
      await held.release(order);
      throw signal.reason;
    }
    /** Decided once: a call that is cancelled while its bill is on its way is billed. */
    let isGivenBack: boolean | undefined;
    // An `input_required` outcome gives the hold back: another round makes a new one.
    return paidByUse(order, caller, async (later, outcome) => {
      isGivenBack ??= order.policy.charge === "reserve" && signal?.aborted === true;
      if (isGivenBack || outcome.status !== "done") {
        await held.release(later);
        return isGivenBack ? { status: "cancelled", reason: signal?.reason } : { status: "void" };
      }
      const quantity = usedQuantity(order, price, caller, outcome.result);
      await (quantity === 0 ? held.release(later) : held.commit(later, quantity));
      return { status: "settled" };
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

  function offline(order: Order, error: unknown): Admission {
    const caller = offlineCaller(order, error);
    const { policy, price } = order;
    if (price === undefined) return freeOfCharge(order, caller);
    if (policy.charge === "call")
      return paidBy(order, price, caller, (later) => teller.note(later, caller, price));
    return paidByUse(order, caller, async (later, outcome) => {
      if (outcome.status !== "done") return { status: "void" };
      const quantity = usedQuantity(order, price, caller, outcome.result);
      if (quantity > 0) await teller.note(later, caller, { ...price, quantity });
      return { status: "settled" };
    });
  }

  /** A budget cannot be kept and a key not be looked up without the API. */
  function mayPassOffline({ call, policy }: Order, error: unknown): boolean {
    const isOutage = error instanceof Refused && error.refusal.code === "billing_unavailable";
    return allowOffline && isOutage && !policy.enforceBudget && call.agentKey === undefined;
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
