import type { ChargeContext } from "../billing/charge-context.ts";
import type { Caller } from "../credential/caller.ts";
import type { Line } from "../pricing/price-call.ts";
import { digest } from "../util/digest.ts";
import type { ChargeMode, ModeParts } from "./charge-mode.ts";
import { dueFor } from "./due.ts";
import type { Settlement } from "./outcome.ts";

/** Makes the mode `"reserve"`: the most that a call may cost is reserved before it runs; what it used is billed, and the rest released. */
export function createReserve({ billing, authorizedCalls }: ModeParts): ChargeMode {
  /** Bills units beyond those that were reserved, by themselves: the work is done, whatever is left of a budget. */
  async function billBeyond(later: ChargeContext, beyond: Line, caller: Caller): Promise<void> {
    billing.report(
      later,
      `${beyond.quantity} units more were reported than reserved: they are billed too`,
      undefined,
      beyond,
    );
    const { agentKey } = later.call;
    const call = {
      ...later.call,
      agentKey: typeof agentKey === "string" ? digest(agentKey, "beyond") : agentKey,
    };
    await billing.meter(
      { ...later, call, policy: { ...later.policy, enforceBudget: false } },
      beyond,
      caller,
    );
  }

  return {
    async authorize(context, price) {
      const reservation = await billing.reserve(context, price);
      const { caller } = reservation;
      const { signal } = context.call;
      if (signal?.aborted) {
        await reservation.release(context);
        throw signal.reason;
      }
      /** Decided once: a call that is cancelled while its usage is on its way is billed. */
      let isCancelled: boolean | undefined;
      /** A settlement that is tried again goes on where it failed. */
      let isReservationSettled = false;
      // An `input_required` outcome releases the reservation: another round makes a new one.
      return authorizedCalls.paidByUse(context, caller, async (later, ended): Promise<Settlement> => {
        isCancelled ??= context.policy.charge === "reserve" && signal?.aborted === true;
        const given = isCancelled ? { ...ended, outcome: { status: "failed" } as const } : ended;
        const quantity = dueFor(billing, context, price, caller, given);
        if (!isReservationSettled) {
          if (!quantity) await reservation.release(later);
          else await reservation.commit(later, Math.min(quantity, price.quantity));
          isReservationSettled = true;
        }
        if (quantity !== undefined && quantity > price.quantity) {
          const beyond = { ...price, quantity: quantity - price.quantity };
          await billBeyond(later, beyond, caller).catch((error: unknown) => {
            reservation.keep(price.quantity);
            throw error;
          });
        }
        if (isCancelled) return { status: "cancelled", reason: signal?.reason };
        return { status: quantity === undefined ? "void" : "settled" };
      });
    },
  };
}
