import type { Teller } from "../billing/billing-client.ts";
import type { Caller } from "../billing/caller.ts";
import type { Order } from "../billing/charge-context.ts";
import type { Ended } from "../call/authorized-call.ts";
import { type Bill, BillError, computeResultQuantity } from "../pricing/price-call.ts";

/**
 * The quantity that is due for a call that is paid by its use; undefined where it brought nothing that is billed. What the
 * run reported is due however it ended, and goes before what is read from its result.
 */
export function dueFor(
  teller: Teller,
  order: Order,
  price: Bill,
  caller: Caller,
  { outcome, reported }: Ended,
): number | undefined {
  if (reported !== undefined) return reported;
  return outcome.status === "done" ? usedQuantity(teller, order, price, caller, outcome.result) : undefined;
}

function usedQuantity(teller: Teller, order: Order, price: Bill, caller: Caller, result: unknown): number {
  const { call, policy } = order;
  if (policy.resultQuantity === undefined) return price.quantity;
  try {
    const used = computeResultQuantity(policy.resultQuantity, result, call.args, caller);
    const isHeld = policy.charge === "reserve" || policy.enforceBudget;
    if (!isHeld || used <= price.quantity) return used;
    const over = { ...price, quantity: used };
    const reason = `${used} units were used and ${price.quantity} held: the rest is not billed`;
    teller.report(order, reason, undefined, over);
  } catch (error) {
    if (!(error instanceof BillError)) throw error;
    teller.report(order, `${error.message}; ${price.quantity} units were billed instead`, error, price);
  }
  return price.quantity;
}
