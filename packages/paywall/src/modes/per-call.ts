import type { ChargeContext, RecordedUsage } from "../billing/charge-context.ts";
import { agentNameOf } from "../credential/caller.ts";
import type { Line } from "../pricing/price-call.ts";
import type { Pool } from "../util/pool.ts";
import { roundsOf } from "./authorized-call.ts";
import type { ChargeMode, ModeParts } from "./charge-mode.ts";

/**
 * Makes the mode `"call"`: a call is billed for being made, with all of its rounds, before it runs.
 *
 * @param rounds - calls that were paid for and asked for input: each pays for one more round
 */
export function createPerCall(
  { billing, authorizedCalls, offline, background }: ModeParts,
  rounds: Pool<readonly RecordedUsage[]>,
): ChargeMode {
  /** Authorizes another round of a call that was paid for. */
  async function goOn(context: ChargeContext, price: Line, name: string) {
    try {
      const caller = await billing.verify(context).catch((error: unknown) => offline.caller(context, error));
      return authorizedCalls.paidBy(context, price, caller);
    } catch (error) {
      // Refused now, and paid for all the same.
      rounds.put(name, context.recorded);
      throw error;
    }
  }

  return {
    async authorize(context, price) {
      const { call, policy } = context;
      if (call.continues) {
        const name = roundsOf(call, price, agentNameOf(await billing.identify(context)));
        const paid = rounds.take(name);
        if (paid !== undefined) {
          context.recorded.push(...paid);
          return goOn(context, price, name);
        }
      }
      // Reads what names the call's further rounds. Nothing that could fail stands between its billing and its handler.
      call.opaque();
      // A key has to be looked up before the handler runs, and so has a budget: both need the API's response.
      const canWait = background && !policy.enforceBudget && call.agentKey === undefined;
      // Once this is billed the handler starts, whatever the call's signal says by then.
      if (!canWait) {
        const { caller, isRepeated } = await billing.meter(context, price);
        return { ...authorizedCalls.paidBy(context, price, caller), isRepeated };
      }
      const caller = await billing.verify(context);
      call.signal?.throwIfAborted();
      return authorizedCalls.paidBy(context, price, caller, (later) => billing.enqueue(later, caller, price));
    },
  };
}
