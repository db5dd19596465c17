import type { Caller } from "../billing/caller.ts";
import type { Order } from "../billing/charge-context.ts";
import type { Bill } from "../pricing/price-call.ts";
import type { ChargeMode, ModeParts } from "./charge-mode.ts";
import { dueFor } from "./due.ts";

/** Makes the mode `"success"`: a call is verified before it runs, and billed when it brought a result that is no error. */
export function createOnSuccess({ teller, admissions, offline, background }: ModeParts): ChargeMode {
  async function meterOrNote(order: Order, used: Bill, caller: Caller): Promise<void> {
    try {
      await teller.meter(order, used, caller);
    } catch (error) {
      if (!offline.mayPass(order, error)) throw error;
      await teller.note(order, caller, used);
    }
  }

  return {
    async authorize(order, price) {
      const caller = await teller.verify(order);
      order.call.signal?.throwIfAborted();
      return admissions.paidByUse(order, caller, async (later, ended) => {
        const quantity = dueFor(teller, order, price, caller, ended);
        if (quantity === undefined) return { status: "void" };
        if (quantity === 0) return { status: "settled" };
        const used = { ...price, quantity };
        if (background && order.call.agentKey === undefined) await teller.note(later, caller, used);
        else await meterOrNote(later, used, caller);
        return { status: "settled" };
      });
    },
  };
}
