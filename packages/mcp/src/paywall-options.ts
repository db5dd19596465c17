import type { Licentric } from "@licentric/sdk";
import type { ChargeOptions } from "./policy.ts";
import type { Links } from "./refusal.ts";
import type { TokenSource } from "./token.ts";

/** How a paywall is made. */
export interface PaywallOptions {
  /** Origin of the API; `LICENTRIC_BASE_URL`, else `https://www.licentric.com`. */
  readonly baseUrl?: string;
  /**
   * Management key; `LICENTRIC_API_KEY`. Not needed: calls are verified and metered with their own agent's token.
   * Only `metering: "background"` and `onUnavailable: "allow"` need it, to deliver what they have journalled.
   */
  readonly apiKey?: string;
  /** A client of your own in place of `baseUrl` and `apiKey`, for example with a proxy. It stays yours to close. */
  readonly client?: Licentric;
  /**
   * Milliseconds for everything that a call has to ask before its handler runs, retries included, and as much again
   * for what it has to tell afterwards; 5,000 by default. A billing service that hangs never hangs a call.
   */
  readonly timeout?: number;
  /** Where a call's token is, when it is not in the usual places; asked first, undefined leaves it to them. */
  readonly token?: TokenSource;
  /** Your links for agents and people who were refused. */
  readonly links?: Links;
  /** How refused tool calls look: an error result (default), or a JSON-RPC error, for which `protect` is needed. */
  readonly refusals?: "result" | "error";
  /** Leave out of `tools/list` what the caller's credential does not allow; false by default. Costs a request. */
  readonly hideUncallable?: boolean;
  /** Options for every tool, prompt and resource that does not say otherwise. */
  readonly defaults?: Pick<ChargeOptions, "charge" | "enforceBudget" | "scopes" | "warnAgent">;
}

/**
 * Checks a paywall's own options.
 *
 * @throws TypeError saying what is wrong and what to do
 */
export function checkPaywallOptions(options: PaywallOptions): void {
  const { timeout, refusals } = options;
  if (timeout !== undefined && !(Number.isFinite(timeout) && timeout > 0)) {
    throw new TypeError("createPaywall: timeout is a number of milliseconds, more than 0");
  }
  if (refusals !== undefined && refusals !== "result" && refusals !== "error") {
    throw new TypeError('createPaywall: refusals is "result" or "error"');
  }
  if (options.client !== undefined && (options.baseUrl !== undefined || options.apiKey !== undefined)) {
    throw new TypeError(
      "createPaywall: a client has its own baseUrl and apiKey: give either the client or the two",
    );
  }
}
