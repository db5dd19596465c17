import type { BillingClient } from "../billing/billing-client.ts";
import type { ChargeContext } from "../billing/charge-context.ts";
import type { Caller } from "../credential/caller.ts";
import { computeResultQuantity, type Line, PriceError } from "../pricing/price-call.ts";
import type { Usage } from "./outcome.ts";

/**
 * The quantity that is due for a call that is paid by its use; undefined where it brought nothing that is billed. What the
 * run reported is due however it ended, and goes before what is read from its result.
 */
export function dueFor(
  billing: BillingClient,
  context: ChargeContext,
  price: Line,
  caller: Caller,
  { outcome, reported }: Usage,
): number | undefined {
  if (reported !== undefined) return reported;
  return outcome.status === "done"
    ? usedQuantity(billing, context, price, caller, outcome.result)
    : undefined;
}

function usedQuantity(
  billing: BillingClient,
  context: ChargeContext,
  price: Line,
  caller: Caller,
  result: unknown,
): number {
  const { call, policy } = context;
  if (policy.resultQuantity === undefined) return price.quantity;
  try {
    const used = computeResultQuantity(policy.resultQuantity, result, call.args, caller);
    const isHeld = policy.charge === "reserve" || policy.enforceBudget;
    if (!isHeld || used <= price.quantity) return used;
    const over = { ...price, quantity: used };
    const reason = `${used} units were used and ${price.quantity} reserved: the rest is not billed`;
    billing.report(context, reason, undefined, over);
  } catch (error) {
    if (!(error instanceof PriceError)) throw error;
    billing.report(context, `${error.message}; ${price.quantity} units were billed instead`, error, price);
  }
  return price.quantity;
}
