import type { Licentric } from "@licentric/sdk";
import type { TokenSource } from "./credential/find-credential.ts";
import type { UsageJournal } from "./journal/usage-journal.ts";
import type { ChargeOptions } from "./pricing/charge-options.ts";
import type { Links } from "./refusal/refusal.ts";

/** Options of {@link createPaywall}. */
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
   * Milliseconds that a request to the API may take, retries included, from when it is sent; 5,000 by default. A call
   * makes one before its handler runs, at most two, and as many afterwards. Before that it waits for its turn
   * where 16 of the same agent's are in flight: as long again at most, and four times as long once the handler has run.
   * A billing service that hangs never hangs a call.
   */
  readonly timeout?: number;
  /**
   * Finds a call's token when it is not in the usual places: the `authInfo` of `requireBearerAuth`, the `Authorization` header, and
   * `LICENTRIC_AGENT_TOKEN` for calls that are known to be local. Asked first; undefined leaves it to them. A function
   * that throws, rejects, returns something else, or nothing within `timeout`, refuses the call as `misconfigured`.
   */
  readonly token?: TokenSource;
  /** Your links for agents and people who were refused. */
  readonly links?: Links;
  /**
   * Verification of a caller's token when nothing is billed in the same request. `cacheTtl`: milliseconds for which
   * a verified token is trusted without asking; 0 by default. A token that is revoked works on for that long.
   * `cacheSize`: tokens that are remembered at once, 1 to 10,000,000; 10,000 by default, each in less than 1 kB of memory.
   * Where more agents than that call, some of their calls ask again, and `onUnavailable: "allow"` does not know all of them.
   */
  readonly verification?: { readonly cacheTtl?: number; readonly cacheSize?: number };
  /**
   * - `"request"` (default): each call is billed by a request, and its result delivered when that is answered.
   * - `"background"`: usage is appended to a local journal before the result is delivered, and sent in batches.
   *   Calls whose budget is enforced, that reserve units, or that name an idempotency key are billed by request all the
   *   same: they need the API's response.
   */
  readonly metering?: "request" | "background";
  /**
   * Decides about calls while the API cannot be reached: `"deny"` (default) refuses it; `"allow"` lets agents
   * through that were verified before (in this process, and whose token has not expired since), and journals their
   * usage. Never calls whose budget is enforced or that name an idempotency key.
   */
  readonly onUnavailable?: "deny" | "allow";
  /**
   * The place where usage waits for its delivery, which `metering: "background"` and `onUnavailable: "allow"` need: `fileJournal()`
   * of `@licentric/paywall/journal`, on Node.
   */
  readonly journal?: UsageJournal;
  /**
   * Send a receipt with each call that was billed; false by default. It is JSON with the meter, the quantity and the
   * idempotency keys of the usage events: in the result's `_meta["com.licentric/receipt"]` (MCP), or in the header
   * `licentric-receipt` (HTTP, where the body is not streamed). A repetition under an agent's key has the first call's
   * receipt. Of `paywall.charge`, `onReceipt` of the call tells it without this option.
   */
  readonly receipts?: boolean;
  /** Options for every tool, prompt and resource that does not say otherwise. */
  readonly defaults?: Pick<ChargeOptions, "charge" | "enforceBudget" | "scopes" | "warnAgent">;
}

const OPTION_NAMES = new Set<string>([
  "baseUrl",
  "apiKey",
  "client",
  "timeout",
  "token",
  "links",
  "verification",
  "metering",
  "onUnavailable",
  "journal",
  "receipts",
  "defaults",
] satisfies (keyof PaywallOptions)[]);

/**
 * Checks a paywall's own options.
 *
 * @param further - names of options that whoever asks knows besides
 * @throws TypeError saying what is wrong and what to do
 */
export function checkPaywallOptions(options: PaywallOptions, further: readonly string[] = []): void {
  const names = [...OPTION_NAMES, ...further];
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(
      `createPaywall: there is no option "${unknown}"; the options are ${names.join(", ")}`,
    );
  }
  const { timeout } = options;
  if (timeout !== undefined && !(Number.isFinite(timeout) && timeout > 0)) {
    throw new TypeError("createPaywall: timeout is a number of milliseconds, more than 0");
  }
  const { metering, onUnavailable, verification } = options;
  if (metering !== undefined && metering !== "request" && metering !== "background") {
    throw new TypeError('createPaywall: metering is "request" or "background"');
  }
  if (onUnavailable !== undefined && onUnavailable !== "deny" && onUnavailable !== "allow") {
    throw new TypeError('createPaywall: onUnavailable is "deny" or "allow"');
  }
  checkJournal(options);
  if (options.receipts !== undefined && typeof options.receipts !== "boolean") {
    throw new TypeError("createPaywall: receipts is true or false");
  }
  const cacheTtl = verification?.cacheTtl;
  if (cacheTtl !== undefined && !(Number.isFinite(cacheTtl) && cacheTtl >= 0)) {
    throw new TypeError("createPaywall: verification.cacheTtl is a number of milliseconds, 0 or more");
  }
  const cacheSize = verification?.cacheSize;
  if (
    cacheSize !== undefined &&
    !(Number.isInteger(cacheSize) && cacheSize >= 1 && cacheSize <= 10_000_000)
  ) {
    throw new TypeError(
      "createPaywall: verification.cacheSize is a whole number of tokens from 1 to 10,000,000; 10,000 are remembered without it",
    );
  }
  if (options.client !== undefined && (options.baseUrl !== undefined || options.apiKey !== undefined)) {
    throw new TypeError(
      "createPaywall: a client has its own baseUrl and apiKey: give either the client or the two",
    );
  }
}

function checkJournal(options: PaywallOptions): void {
  const { journal }: { readonly journal?: Partial<UsageJournal> } = options;
  const advice =
    'pass journal: fileJournal(), which is imported from "@licentric/paywall/journal" (or "@licentric/mcp/journal")';
  if (journal !== undefined && typeof journal.open !== "function") {
    throw new TypeError(`createPaywall: journal is no options but a journal: ${advice}`);
  }
  const reason = reasonForJournal(options);
  if (journal === undefined && reason !== undefined) {
    throw new TypeError(`createPaywall: ${reason} keeps usage in a journal: ${advice}`);
  }
}

/** The option that makes a paywall keep a journal; undefined where it keeps none. */
export function reasonForJournal({ metering, onUnavailable }: PaywallOptions): string | undefined {
  if (metering === "background") return 'metering: "background"';
  return onUnavailable === "allow" ? 'onUnavailable: "allow"' : undefined;
}
