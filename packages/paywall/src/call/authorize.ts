import type { BillingClient } from "../billing/billing-client.ts";
import type { Caller } from "../billing/caller.ts";
import type { ChargeContext } from "../billing/charge-context.ts";
import { isAgentToken } from "../credential/token.ts";
import type { Emitter } from "../events.ts";
import { createOffline } from "../modes/offline.ts";
import { createOnSuccess } from "../modes/on-success.ts";
import { createPerCall } from "../modes/per-call.ts";
import { createReserve } from "../modes/reserve.ts";
import type { Policy } from "../pricing/charge-options.ts";
import { type Line, PriceError, priceCall } from "../pricing/price-call.ts";
import type { Refusal } from "../refusal/refusal.ts";
import { createPool } from "../util/pool.ts";
import { type AuthorizedCall, createAuthorizedCalls } from "./authorized-call.ts";
import type { Call } from "./call.ts";

/** Decides whether calls may run. */
export interface Authorizer {
  /** Lets a call in, or says why not. Listeners are told of it, but for a replay: what that has paid for may be kept. */
  authorizeCall(call: Call, policy: Policy): Promise<AuthorizedCall | Refusal>;
  /**
   * Who makes a call, whose token may have been revoked since; undefined where that is not known, and is learned by
   * billing the call in the same request.
   */
  identify(call: Call, policy: Policy): Promise<Caller | Refusal | undefined>;
}

/** Whether an answer of {@link Authorizer} is a refusal. */
export function isRefusal(value: object): value is Refusal {
  return "code" in value;
}

/** What authorizing needs. */
export interface AuthorizerOptions {
  readonly billing: BillingClient;
  readonly emitter: Emitter;
  /** Bill by the journal what needs no answer. */
  readonly background: boolean;
  /** Let known agents through while the API cannot be reached. */
  readonly allowOffline: boolean;
  readonly now: () => number;
}

const HOUR = 3_600_000;

/** Makes the function that lets calls in. What it remembers is bounded and may be lost: then somebody pays again, and nobody runs free. */
export function createAuthorizer({
  billing,
  emitter,
  background,
  allowOffline,
  now,
}: AuthorizerOptions): Authorizer {
  const rounds = createPool<true>({ limit: 10_000, ttl: HOUR, now });
  const authorizedCalls = createAuthorizedCalls({ billing, emitter, rounds });
  const offline = createOffline({ billing, authorizedCalls, emitter, allowOffline });
  const parts = { billing, authorizedCalls, offline, background };
  const [perCall, onSuccess, reserve] = [
    createPerCall(parts, rounds),
    createOnSuccess(parts),
    createReserve(parts),
  ];
  const contextFor = (call: Call, policy: Policy): ChargeContext => {
    return { call, policy, token: call.token ?? "", price: undefined, settles: false };
  };

  return {
    async authorizeCall(call, policy) {
      const context = contextFor(call, policy);
      return authorizedCalls.orRefusal(context, () => authorizeCall(context), "idempotency_replay");
    },
    async identify(call, policy) {
      const context = contextFor(call, policy);
      return authorizedCalls.orRefusal(context, async () => {
        checkCall(call);
        const known = billing.lastKnown(context);
        if (known !== undefined) return known;
        return policy.charge === "call" && policy.meterName !== undefined
          ? undefined
          : billing.verify(context);
      });
    },
  };

  /** Checks what can be told of a call without asking. */
  function checkCall(call: Call): void {
    if (call.token === undefined) throw billing.refuse("missing_token");
    if (!isAgentToken(call.token)) throw billing.refuse("invalid_token");
    if (call.agentKey === null) {
      throw billing.refuse("idempotency_conflict", {
        message:
          "An idempotency key is a text of 1 to 255 printable ASCII characters. Send such a key or none. Nothing was run or charged.",
      });
    }
  }

  async function authorizeCall(context: ChargeContext): Promise<AuthorizedCall> {
    const { call } = context;
    checkCall(call);
    // Nothing was asked of the API yet, so a call that was cancelled by now costs nothing. Later that cannot be undone.
    call.signal?.throwIfAborted();
    let priced = context;
    try {
      priced = { ...context, price: await priceOf(context) };
      return await authorizeAt(priced, priced.price);
    } catch (error) {
      return offline.authorize(priced, error);
    }
  }

  async function authorizeAt(context: ChargeContext, price: Line | undefined): Promise<AuthorizedCall> {
    if (price === undefined) return authorizedCalls.freeOfCharge(context, await billing.verify(context));
    const { charge, enforceBudget } = context.policy;
    // Concurrent calls could exceed a budget together if it was looked at before they run.
    if (charge === "reserve" || (charge === "success" && enforceBudget))
      return reserve.authorize(context, price);
    return (charge === "success" ? onSuccess : perCall).authorize(context, price);
  }

  async function priceOf(context: ChargeContext): Promise<Line | undefined> {
    try {
      return await priceCall(context.policy, context.call.args, () => billing.identify(context));
    } catch (error) {
      if (!(error instanceof PriceError)) throw error;
      billing.report(context, error.message, error);
      throw billing.refuse("misconfigured");
    }
  }
}
