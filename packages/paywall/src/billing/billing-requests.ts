import type { Policy } from "../pricing/charge-options.ts";
import type { Bill } from "../pricing/price-call.ts";
import type { RefusalCode, RefusalDetails } from "../refusal/refusal.ts";
import type { Refused } from "../refusal/refused.ts";
import type { Caller } from "./caller.ts";
import type { Order } from "./charge-context.ts";
import type { GatewayOptions, MeterRequest, RefusedAnswer } from "./gateway.ts";
import type { VerificationCache } from "./verification-cache.ts";

/** What the API is to check before it records anything. */
export type Conditions = Pick<MeterRequest, "enforceBudget" | "requiredScopes">;

/** The conditions of a policy. */
export function conditions({ enforceBudget, scopes }: Pick<Policy, "enforceBudget" | "scopes">): Conditions {
  return { ...(enforceBudget && { enforceBudget }), ...(scopes.length > 0 && { requiredScopes: scopes }) };
}

/** A key, when it was sent first, and when the last try before this one was given up, where there was one. */
export interface RecordTries {
  readonly key: string;
  readonly at: number;
  readonly until: number | undefined;
}

/** What a request to record usage came to. */
export interface Recording {
  readonly caller: Caller;
  readonly duplicate: boolean;
  /** Whether the agent had recorded it by an earlier request. Not told where that may have been a try of this one. */
  readonly wasRecorded: boolean;
}

/** What the parts of a teller need of it. */
export interface TellerParts {
  readonly cache: VerificationCache;
  refused(code: RefusalCode, details?: RefusalDetails): Refused;
  refusedBy(order: Order, answer: RefusedAnswer, bill?: Bill): Refused;
  optionsFor(order: Order, idempotencyKey?: string): GatewayOptions;
  accept(order: Order, caller: Caller, source: "api" | "cache", recorded: boolean): void;
  verify(order: Order): Promise<Caller>;
  /** Records usage under a key; which may have been recorded before. */
  record(order: Order, bill: Bill, tries: RecordTries, asked: Conditions): Promise<Recording>;
  metered(
    order: Order,
    caller: Caller,
    bill: Bill,
    key: string,
    how: { readonly duplicate: boolean; readonly pending: boolean },
  ): void;
  report(order: Order, reason: string, error: unknown, bill?: Bill): void;
}
