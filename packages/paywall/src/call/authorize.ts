import type { Teller } from "../billing/billing-client.ts";
import type { Caller } from "../billing/caller.ts";
import type { Order } from "../billing/charge-context.ts";
import { isAgentToken } from "../credential/token.ts";
import type { Emitter } from "../events.ts";
import { createOffline } from "../modes/offline.ts";
import { createOnSuccess } from "../modes/on-success.ts";
import { createPerCall } from "../modes/per-call.ts";
import { createReserve } from "../modes/reserve.ts";
import type { Policy } from "../pricing/charge-options.ts";
import { type Bill, BillError, computeBill } from "../pricing/price-call.ts";
import type { Refusal } from "../refusal/refusal.ts";
import { createPool } from "../util/pool.ts";
import { type Admission, createAdmissions } from "./authorized-call.ts";
import type { Call } from "./call.ts";

/** Decides whether calls may run. */
export interface Authorize {
  /** Lets a call in, or says why not. Listeners are told of it, but for a replay: what that has paid for may be kept. */
  admit(call: Call, policy: Policy): Promise<Admission | Refusal>;
  /**
   * Who makes a call, whose token may have been revoked since; undefined where that is not known, and is learned by
   * billing the call in the same request.
   */
  identify(call: Call, policy: Policy): Promise<Caller | Refusal | undefined>;
}

/** Whether an answer of {@link Authorize} is a refusal. */
export function isRefusal(value: object): value is Refusal {
  return "code" in value;
}

/** What authorizing needs. */
export interface AuthorizeOptions {
  readonly teller: Teller;
  readonly emitter: Emitter;
  /** Bill by the journal what needs no answer. */
  readonly background: boolean;
  /** Let known agents through while the API cannot be reached. */
  readonly allowOffline: boolean;
  readonly now: () => number;
}

const HOUR = 3_600_000;

/** Makes the function that lets calls in. What it remembers is bounded and may be lost: then somebody pays again, and nobody runs free. */
export function createAuthorize({
  teller,
  emitter,
  background,
  allowOffline,
  now,
}: AuthorizeOptions): Authorize {
  const rounds = createPool<true>({ limit: 10_000, ttl: HOUR, now });
  const admissions = createAdmissions({ teller, emitter, rounds });
  const offline = createOffline({ teller, admissions, emitter, allowOffline });
  const parts = { teller, admissions, offline, background };
  const [perCall, onSuccess, reserve] = [
    createPerCall(parts, rounds),
    createOnSuccess(parts),
    createReserve(parts),
  ];
  const orderFor = (call: Call, policy: Policy): Order => {
    return { call, policy, token: call.token ?? "", price: undefined, settles: false };
  };

  return {
    async admit(call, policy) {
      const order = orderFor(call, policy);
      return admissions.orRefusal(order, () => admit(order), "idempotency_replay");
    },
    async identify(call, policy) {
      const order = orderFor(call, policy);
      return admissions.orRefusal(order, async () => {
        checkCall(call);
        const known = teller.lastKnown(order);
        if (known !== undefined) return known;
        return policy.charge === "call" && policy.meterName !== undefined ? undefined : teller.verify(order);
      });
    },
  };

  /** Checks what can be told of a call without asking. */
  function checkCall(call: Call): void {
    if (call.token === undefined) throw teller.refuse("missing_token");
    if (!isAgentToken(call.token)) throw teller.refuse("invalid_token");
    if (call.agentKey === null) {
      throw teller.refuse("idempotency_conflict", {
        message:
          "An idempotency key is a text of 1 to 255 printable ASCII characters. Send such a key or none. Nothing was run or charged.",
      });
    }
  }

  async function admit(order: Order): Promise<Admission> {
    const { call } = order;
    checkCall(call);
    // Nothing was asked of the API yet, so a call that was cancelled by now costs nothing. Later that cannot be undone.
    call.signal?.throwIfAborted();
    let priced = order;
    try {
      priced = { ...order, price: await priceOf(order) };
      return await admitFor(priced, priced.price);
    } catch (error) {
      return offline.authorize(priced, error);
    }
  }

  async function admitFor(order: Order, price: Bill | undefined): Promise<Admission> {
    if (price === undefined) return admissions.freeOfCharge(order, await teller.verify(order));
    const { charge, enforceBudget } = order.policy;
    // Concurrent calls could exceed a budget together if it was looked at before they run.
    if (charge === "reserve" || (charge === "success" && enforceBudget))
      return reserve.authorize(order, price);
    return (charge === "success" ? onSuccess : perCall).authorize(order, price);
  }

  async function priceOf(order: Order): Promise<Bill | undefined> {
    try {
      return await computeBill(order.policy, order.call.args, () => teller.identify(order));
    } catch (error) {
      if (!(error instanceof BillError)) throw error;
      teller.report(order, error.message, error);
      throw teller.refuse("misconfigured");
    }
  }
}
