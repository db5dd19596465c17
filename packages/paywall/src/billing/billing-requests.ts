import type { Policy } from "../pricing/charge-options.ts";
import type { Line } from "../pricing/price-call.ts";
import type { RefusalCode, RefusalDetails } from "../refusal/refusal.ts";
import type { Refused } from "../refusal/refused.ts";
import type { Caller } from "./caller.ts";
import type { ChargeContext } from "./charge-context.ts";
import type { GatewayOptions, MeterRequest, RefusedResponse } from "./gateway.ts";
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
export interface BillingRequests {
  readonly cache: VerificationCache;
  refused(code: RefusalCode, details?: RefusalDetails): Refused;
  refusedBy(context: ChargeContext, response: RefusedResponse, line?: Line): Refused;
  optionsFor(context: ChargeContext, idempotencyKey?: string): GatewayOptions;
  accept(context: ChargeContext, caller: Caller, source: "api" | "cache", recorded: boolean): void;
  verify(context: ChargeContext): Promise<Caller>;
  /** Records usage under a key; which may have been recorded before. */
  record(context: ChargeContext, line: Line, tries: RecordTries, asked: Conditions): Promise<Recording>;
  metered(
    context: ChargeContext,
    caller: Caller,
    line: Line,
    key: string,
    how: { readonly duplicate: boolean; readonly pending: boolean },
  ): void;
  report(context: ChargeContext, reason: string, error: unknown, line?: Line): void;
}
