import type { BillingClient } from "../billing/billing-client.ts";
import type { ChargeContext, RecordedUsage } from "../billing/charge-context.ts";
import type { Call } from "../credential/call.ts";
import type { Caller } from "../credential/caller.ts";
import { isAgentToken } from "../credential/find-credential.ts";
import type { Emitter } from "../events.ts";
import {
  type AuthorizedCall,
  type AuthorizedCalls,
  createAuthorizedCalls,
} from "../modes/authorized-call.ts";
import type { ChargeMode } from "../modes/charge-mode.ts";
import { createOffline, type Offline } from "../modes/offline.ts";
import { createOnSuccess } from "../modes/on-success.ts";
import { createPerCall } from "../modes/per-call.ts";
import { createReserve } from "../modes/reserve.ts";
import type { Policy } from "../pricing/charge-options.ts";
import { type Line, PriceError, priceCall } from "../pricing/price-call.ts";
import type { Refusal } from "../refusal/refusal.ts";
import { createPool } from "../util/pool.ts";

/** Decides whether calls may run. */
export interface Authorizer {
  /** Authorizes a call, or refuses it. Listeners are told of that, but for a key that has paid already: its result may be kept. */
  authorizeCall(call: Call, policy: Policy): Promise<AuthorizedCall | Refusal>;
  /**
   * Returns who makes a call, whose token may have been revoked since; undefined where that is not known, and is learned by
   * billing the call in the same request.
   */
  identify(call: Call, policy: Policy): Promise<Caller | Refusal | undefined>;
}

/** Returns whether a value of {@link Authorizer} is a refusal. */
export function isRefusal(value: object): value is Refusal {
  return "code" in value;
}

/** Options of {@link createAuthorizer}. */
export interface AuthorizerOptions {
  readonly billing: BillingClient;
  readonly emitter: Emitter;
  /** Bill by the journal where no response is needed. */
  readonly background: boolean;
  /** Authorize known agents while the API cannot be reached. */
  readonly allowOffline: boolean;
  readonly now: () => number;
}

/** The parts that calls are authorized by. */
interface AuthorizerParts {
  readonly billing: BillingClient;
  readonly authorizedCalls: AuthorizedCalls;
  readonly offline: Offline;
  readonly perCall: ChargeMode;
  readonly onSuccess: ChargeMode;
  readonly reserve: ChargeMode;
}

const HOUR = 3_600_000;

/** Makes an authorizer. What it remembers is bounded and may be lost: then somebody pays again, and nobody runs free. */
export function createAuthorizer(options: AuthorizerOptions): Authorizer {
  const { billing, emitter, background, allowOffline, now } = options;
  const rounds = createPool<readonly RecordedUsage[]>({ limit: 10_000, ttl: HOUR, now });
  const authorizedCalls = createAuthorizedCalls({ billing, emitter, rounds });
  const offline = createOffline({ billing, authorizedCalls, emitter, allowOffline });
  const modeParts = { billing, authorizedCalls, offline, background };
  const parts: AuthorizerParts = {
    billing,
    authorizedCalls,
    offline,
    perCall: createPerCall(modeParts, rounds),
    onSuccess: createOnSuccess(modeParts),
    reserve: createReserve(modeParts),
  };
  return {
    async authorizeCall(call, policy) {
      const context = contextFor(call, policy);
      return authorizedCalls.orRefusal(context, () => authorize(parts, context), "idempotency_replay");
    },
    async identify(call, policy) {
      const context = contextFor(call, policy);
      return authorizedCalls.orRefusal(context, async () => {
        checkCall(billing, call);
        const known = billing.lastKnown(context);
        if (known !== undefined) return known;
        const isBilledFirst = policy.charge === "call" && policy.meterName !== undefined;
        return isBilledFirst ? undefined : billing.verify(context);
      });
    },
  };
}

function contextFor(call: Call, policy: Policy): ChargeContext {
  return { call, policy, token: call.token ?? "", price: undefined, settles: false, recorded: [] };
}

/** Checks what can be told of a call without asking. */
function checkCall(billing: BillingClient, call: Call): void {
  if (call.token === undefined) throw billing.refuse("missing_token");
  if (!isAgentToken(call.token)) throw billing.refuse("invalid_token");
  if (call.agentKey === null) throw billing.refuse("idempotency_conflict", { message: NOT_A_KEY });
}

const NOT_A_KEY =
  "An idempotency key is a string of 1 to 255 printable ASCII characters. Send such a key or none. Nothing was run or charged.";

async function authorize(parts: AuthorizerParts, context: ChargeContext): Promise<AuthorizedCall> {
  const { call } = context;
  checkCall(parts.billing, call);
  // Nothing was asked of the API yet, so a call that was cancelled by now costs nothing. Later that cannot be undone.
  call.signal?.throwIfAborted();
  let priced = context;
  try {
    priced = { ...context, price: await priceOf(parts.billing, context) };
    return await authorizeAt(parts, priced, priced.price);
  } catch (error) {
    return parts.offline.authorize(priced, error);
  }
}

async function authorizeAt(
  { billing, authorizedCalls, perCall, onSuccess, reserve }: AuthorizerParts,
  context: ChargeContext,
  price: Line | undefined,
): Promise<AuthorizedCall> {
  if (price === undefined) return authorizedCalls.freeOfCharge(context, await billing.verify(context));
  const { charge, enforceBudget } = context.policy;
  // Concurrent calls could exceed a budget together if it was looked at before they run.
  if (charge === "reserve" || (charge === "success" && enforceBudget))
    return reserve.authorize(context, price);
  return (charge === "success" ? onSuccess : perCall).authorize(context, price);
}

async function priceOf(billing: BillingClient, context: ChargeContext): Promise<Line | undefined> {
  try {
    return await priceCall(context.policy, context.call.args, () => billing.identify(context));
  } catch (error) {
    if (!(error instanceof PriceError)) throw error;
    billing.report(context, error.message, error);
    throw billing.refuse("misconfigured");
  }
}
