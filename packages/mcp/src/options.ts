import {
  type PaywallOptions as CoreOptions,
  type CorePaywall,
  checkPaywallOptions,
} from "@licentric/paywall/adapter";

/** Options of a paywall for MCP servers. */
export interface PaywallOptions extends CoreOptions {
  /**
   * A paywall of `@licentric/paywall` in place of its own options, so that HTTP routes and MCP servers of one owner share
   * what is cached and journalled, and are closed as one.
   */
  readonly paywall?: CorePaywall;
  /**
   * The form of refused tool calls:
   * - `"result"` (default): an error result.
   * - `"error"`: a JSON-RPC error, for which `protect` is needed.
   * - `"throw"`: a handler that is wrapped by `tool` throws a `RefusedRequestError`, for frameworks that take whatever
   *   a handler returns for a success (Mastra, mcp-framework). `protect` answers an error result all the same.
   */
  readonly refusals?: "result" | "error" | "throw";
  /** Leave out of `tools/list` what the caller's credential does not allow; false by default. Costs a request. */
  readonly hideUncallable?: boolean;
  /**
   * Tell in `tools/list` what a unit of each charged tool's meter costs its caller, by the API's price list, where the
   * tool's `price` says nothing: `price` of `_meta["com.licentric/charge"]`, in a few words; false by default. Costs a
   * request for each token, at most once a minute. Who has no valid token is told no prices.
   */
  readonly showPrices?: boolean;
  /**
   * Answer HTTP 403 with `WWW-Authenticate` to a call whose credential lacks a tool's scope, as the MCP authorization
   * specification asks of clients that can obtain more scopes, in place of an error result; false by default. Works
   * on protected servers of SDK v2 whose requests were verified by `requireBearerAuth`; elsewhere the result says it.
   */
  readonly scopeStepUp?: boolean;
}

const OPTION_NAMES = [
  "paywall",
  "refusals",
  "hideUncallable",
  "showPrices",
  "scopeStepUp",
] satisfies (keyof PaywallOptions)[];

/**
 * Checks a paywall's own options.
 *
 * @throws TypeError saying what is wrong and what to do
 */
export function checkMcpOptions(options: PaywallOptions): void {
  checkPaywallOptions(options, OPTION_NAMES);
  const { refusals, paywall } = options;
  const own = Object.keys(options).find((name) => !(OPTION_NAMES as readonly string[]).includes(name));
  if (paywall !== undefined && own !== undefined) {
    throw new TypeError(
      `createPaywall: give ${own} to the createPaywall that made \`paywall\`, not to this one`,
    );
  }
  if (refusals !== undefined && !["result", "error", "throw"].includes(refusals)) {
    throw new TypeError('createPaywall: refusals is "result", "error" or "throw"');
  }
}
