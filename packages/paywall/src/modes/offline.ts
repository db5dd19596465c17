import type { BillingClient } from "../billing/billing-client.ts";
import type { ChargeContext } from "../billing/charge-context.ts";
import type { Caller } from "../credential/caller.ts";
import type { Emitter } from "../events.ts";
import { RefusedError } from "../refusal/refused-error.ts";
import type { AuthorizedCall, AuthorizedCalls } from "./authorized-call.ts";
import { dueFor } from "./due.ts";

/** Authorizes known agents while the API cannot be reached, where the owner wants that. */
export interface Offline {
  /** Returns whether a call may pass without the API: no budget can be kept without it, and no key be looked up. */
  mayPass(context: ChargeContext, error: unknown): boolean;
  /**
   * The agent of a call that may pass.
   *
   * @throws the error that the API's absence was told by, where it may not
   */
  caller(context: ChargeContext, error: unknown): Caller;
  /**
   * Authorizes a call that may pass. Its usage waits in the journal.
   *
   * @throws the error that the API's absence was told by, where it may not
   */
  authorize(context: ChargeContext, error: unknown): AuthorizedCall;
}

/** Makes the rules of one paywall. */
export function createOffline(options: {
  readonly billing: BillingClient;
  readonly authorizedCalls: AuthorizedCalls;
  readonly emitter: Emitter;
  readonly allowOffline: boolean;
}): Offline {
  const { billing, authorizedCalls, emitter, allowOffline } = options;

  function mayPass({ call, policy }: ChargeContext, error: unknown): boolean {
    const isOutage = error instanceof RefusedError && error.refusal.code === "billing_unavailable";
    return allowOffline && isOutage && !policy.enforceBudget && call.agentKey === undefined;
  }

  function caller(context: ChargeContext, error: unknown): Caller {
    const known = billing.lastKnown(context);
    const { call, policy } = context;
    if (known === undefined || !mayPass(context, error)) throw error;
    if (!policy.scopes.every((scope) => known.scopes.includes(scope))) throw error;
    const { kind, name } = call;
    const { accountId, agentId } = known;
    emitter.emit("verified", { kind, name, accountId, agentId, source: "offline", budget: undefined });
    return known;
  }

  return {
    mayPass,
    caller,
    authorize(context, error) {
      const known = caller(context, error);
      const { policy, price } = context;
      if (price === undefined) return authorizedCalls.freeOfCharge(context, known);
      if (policy.charge === "call")
        return authorizedCalls.paidBy(context, price, known, (later) => billing.enqueue(later, known, price));
      return authorizedCalls.paidByUse(context, known, async (later, ended) => {
        const quantity = dueFor(billing, context, price, known, ended);
        if (quantity === undefined) return { status: "void" };
        if (quantity > 0) await billing.enqueue(later, known, { ...price, quantity });
        return { status: "settled" };
      });
    },
  };
}
