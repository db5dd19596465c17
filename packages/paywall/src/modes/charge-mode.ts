import type { BillingClient } from "../billing/billing-client.ts";
import type { ChargeContext } from "../billing/charge-context.ts";
import type { Line } from "../pricing/price-call.ts";
import type { AuthorizedCall, AuthorizedCalls } from "./authorized-call.ts";
import type { Offline } from "./offline.ts";

/** One way of charging for calls that cost something. */
export interface ChargeMode {
  /**
   * Authorizes a call, and bills it now or once it has run.
   *
   * @throws RefusedError where it may not run; the signal's reason where it was cancelled before anything was billed
   */
  authorize(context: ChargeContext, price: Line): Promise<AuthorizedCall>;
}

/** The parts that all modes are made of. */
export interface ModeParts {
  readonly billing: BillingClient;
  readonly authorizedCalls: AuthorizedCalls;
  readonly offline: Offline;
  /** Bill by the journal where no response is needed. */
  readonly background: boolean;
}
