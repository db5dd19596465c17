import type { Order } from "../billing/charge-context.ts";
import { roundsOf } from "../call/authorized-call.ts";
import type { Bill } from "../pricing/price-call.ts";
import type { Pool } from "../util/pool.ts";
import type { ChargeMode, ModeParts } from "./charge-mode.ts";

/**
 * Makes the mode `"call"`: a call is billed for being made, with all of its rounds, before it runs.
 *
 * @param rounds - calls that were paid for and asked for input: each pays for one more round
 */
export function createPerCall(
  { teller, admissions, offline, background }: ModeParts,
  rounds: Pool<true>,
): ChargeMode {
  /** Lets another round of a call in that was paid for. */
  async function goOn(order: Order, price: Bill, name: string) {
    try {
      const caller = await teller.verify(order).catch((error: unknown) => offline.caller(order, error));
      return admissions.paidBy(order, price, caller);
    } catch (error) {
      // Refused now, and paid for all the same.
      rounds.put(name, true);
      throw error;
    }
  }

  return {
    async authorize(order, price) {
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
      if (!canWait) {
        const { caller, isRepeated } = await teller.meter(order, price);
        return { ...admissions.paidBy(order, price, caller), isRepeated };
      }
      const caller = await teller.verify(order);
      call.signal?.throwIfAborted();
      return admissions.paidBy(order, price, caller, (later) => teller.note(later, caller, price));
    },
  };
}
