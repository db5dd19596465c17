import { agentNameOf, type Caller } from "../credential/caller.ts";
import type { TokenHash } from "../credential/find-credential.ts";
import type { Line } from "../pricing/price-call.ts";
import type { RefusalCode, RefusalDetails } from "../refusal/refusal.ts";
import type { RefusedError } from "../refusal/refused-error.ts";
import {
  type BillingParts,
  identify,
  lastKnown,
  refused,
  reportFailure,
  verify,
} from "./billing-requests.ts";
import type { ChargeContext } from "./charge-context.ts";
import { enqueue, type Metered, meter } from "./meter-usage.ts";
import { type Reservation, reserve } from "./reservation.ts";
import { createUnserved } from "./unserved.ts";

/** Options of {@link createBillingClient}. */
export type BillingClientOptions = Omit<BillingParts, "unserved">;

/** Asks the API who calls and has it bill them. Every method throws {@link RefusedError}. */
export interface BillingClient {
  /** Makes the error of a refused call. */
  refuse(code: RefusalCode, details?: RefusalDetails): RefusedError;
  /** Verifies a caller and records nothing; without a request where the token is trusted still. */
  verify(context: ChargeContext): Promise<Caller>;
  /** Returns the caller as last known, else as the API says. The token may have become invalid since. */
  identify(context: ChargeContext): Promise<Caller>;
  /**
   * Verifies a caller and bills it, in one request.
   *
   * @param known - who calls, where that was found out already
   */
  meter(context: ChargeContext, line: Line, known?: Caller): Promise<Metered>;
  /** Reserves the most that a call may cost, or has it use up what its agent was billed for without a result. */
  reserve(context: ChargeContext, line: Line): Promise<Reservation>;
  /** Appends usage to the journal; records it by a request where the journal takes no more. */
  enqueue(context: ChargeContext, caller: Caller, line: Line): Promise<void>;
  /** Returns the caller that a token stood for when it was last verified. */
  lastKnown(context: Pick<ChargeContext, "call">): Caller | undefined;
  /** Tells the owner of something to look at. */
  report(context: Pick<ChargeContext, "call">, reason: string, error: unknown, line?: Line): void;
}

/** Makes a billing client. */
export function createBillingClient(options: BillingClientOptions): BillingClient {
  const { cache, now } = options;
  const agentOf = (tokenHash: TokenHash) => {
    const known = cache.lastKnown(tokenHash);
    return known && agentNameOf(known);
  };
  const parts: BillingParts = { ...options, unserved: createUnserved(agentOf, now) };
  return {
    refuse: (code, details) => refused(parts, code, details),
    verify: (context) => verify(parts, context),
    identify: (context) => identify(parts, context),
    meter: (context, line, known) => meter(parts, context, line, known),
    reserve: (context, line) => reserve(parts, context, line),
    enqueue: (context, caller, line) => enqueue(parts, context, caller, line),
    lastKnown: (context) => lastKnown(parts, context),
    report: (context, reason, error, line) => reportFailure(parts, context, reason, error, line),
  };
}
