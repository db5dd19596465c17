import type { Teller } from "../billing/billing-client.ts";
import type { Caller } from "../billing/caller.ts";
import type { Order } from "../billing/charge-context.ts";
import type { Admission, Admissions } from "../call/authorized-call.ts";
import type { Emitter } from "../events.ts";
import { Refused } from "../refusal/refused.ts";
import { dueFor } from "./due.ts";

/** Lets known agents through while the API cannot be reached, where the owner wants that. */
export interface Offline {
  /** Whether a call may pass without the API: no budget can be kept without it, and no key be looked up. */
  mayPass(order: Order, error: unknown): boolean;
  /**
   * The agent of a call that may pass.
   *
   * @throws the error that the API's absence was told by, where it may not
   */
  caller(order: Order, error: unknown): Caller;
  /**
   * Lets a call in that may pass. Its usage waits in the journal.
   *
   * @throws the error that the API's absence was told by, where it may not
   */
  authorize(order: Order, error: unknown): Admission;
}

/** Makes the rules of one paywall. */
export function createOffline(options: {
  readonly teller: Teller;
  readonly admissions: Admissions;
  readonly emitter: Emitter;
  readonly allowOffline: boolean;
}): Offline {
  const { teller, admissions, emitter, allowOffline } = options;

  function mayPass({ call, policy }: Order, error: unknown): boolean {
    const isOutage = error instanceof Refused && error.refusal.code === "billing_unavailable";
    return allowOffline && isOutage && !policy.enforceBudget && call.agentKey === undefined;
  }

  function caller(order: Order, error: unknown): Caller {
    const known = teller.lastKnown(order);
    const { call, policy } = order;
    if (known === undefined || !mayPass(order, error)) throw error;
    if (!policy.scopes.every((scope) => known.scopes.includes(scope))) throw error;
    const { kind, name } = call;
    const { accountId, agentId } = known;
    emitter.emit("verified", { kind, name, accountId, agentId, source: "offline", budget: undefined });
    return known;
  }

  return {
    mayPass,
    caller,
    authorize(order, error) {
      const known = caller(order, error);
      const { policy, price } = order;
      if (price === undefined) return admissions.freeOfCharge(order, known);
      if (policy.charge === "call")
        return admissions.paidBy(order, price, known, (later) => teller.note(later, known, price));
      return admissions.paidByUse(order, known, async (later, ended) => {
        const quantity = dueFor(teller, order, price, known, ended);
        if (quantity === undefined) return { status: "void" };
        if (quantity > 0) await teller.note(later, known, { ...price, quantity });
        return { status: "settled" };
      });
    },
  };
}
