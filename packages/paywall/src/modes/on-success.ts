import type { ChargeContext } from "../billing/charge-context.ts";
import type { Caller } from "../credential/caller.ts";
import type { Line } from "../pricing/price-call.ts";
import type { ChargeMode, ModeParts } from "./charge-mode.ts";
import { dueFor } from "./due.ts";

/** Makes the mode `"success"`: a call is verified before it runs, and billed when it brought a result that is no error. */
export function createOnSuccess({ billing, authorizedCalls, offline, background }: ModeParts): ChargeMode {
  async function meterOrEnqueue(context: ChargeContext, used: Line, caller: Caller): Promise<void> {
    try {
      await billing.meter(context, used, caller);
    } catch (error) {
      if (!offline.mayPass(context, error)) throw error;
      await billing.enqueue(context, caller, used);
    }
  }

  return {
    async authorize(context, price) {
      const caller = await billing.verify(context);
      context.call.signal?.throwIfAborted();
      return authorizedCalls.paidByUse(context, caller, async (later, ended) => {
        const quantity = dueFor(billing, context, price, caller, ended);
        if (quantity === undefined) return { status: "void" };
        if (quantity === 0) return { status: "settled" };
        const used = { ...price, quantity };
        if (background && context.call.agentKey === undefined) await billing.enqueue(later, caller, used);
        else await meterOrEnqueue(later, used, caller);
        return { status: "settled" };
      });
    },
  };
}
