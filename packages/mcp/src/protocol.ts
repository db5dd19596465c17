// MCP's rules on messages, for whatever passes them on to a server of another process: `@licentric/gate` does.
import { type Paywall, planOf } from "./paywall.ts";
import { guardForwarded, type RequestGuard } from "./server/guard-forwarded.ts";
import { isChargedOrTask } from "./server/guard-request.ts";
import type { ProtectOptions } from "./server/server-plan.ts";

export { isQuantity, MAX_QUANTITY, refusalHeaders } from "@licentric/paywall/adapter";
export { type RefusalResult, toToolResult } from "./protocol/refusal-result.ts";
export type { ForwardRequest, GuardedRequest, RequestGuard } from "./server/guard-forwarded.ts";

/** Options of {@link createRequestGuard}: what the server's tools, prompts and resources cost. */
export interface RequestGuardOptions extends Omit<ProtectOptions, "requireToken"> {
  /**
   * Requests that cost nothing and need a valid token all the same; none by default. `"all"`: every request but the
   * handshake (`initialize`, `server/discover`, `ping`), those that nobody knows too.
   */
  readonly requireToken?: ProtectOptions["requireToken"] | "all";
  /**
   * The server's JSON Schema validator, of the form that both official SDKs take as `jsonSchemaValidator`. With it, and with
   * {@link GuardedRequest.listTools}, a call whose arguments fit is billed before it is sent, in one request.
   */
  readonly validator?: object | undefined;
  /** The place where the options are written, for sentences to the owner about them; `"createRequestGuard"` by default. */
  readonly where?: string | undefined;
}

/** The requests that no token can be asked for: clients have none before them, or send none with them. */
const HANDSHAKE: readonly unknown[] = ["initialize", "ping", "server/discover"];

/**
 * Makes the guard of requests that are sent on to a server of another process, in whatever language: the rules that
 * `paywall.protect` has for servers of this one. Every tool, prompt and resource is found by its name in the options; tasks
 * belong to the agent whose call made them; lists of tools tell prices.
 *
 * @param paywall - made by `createPaywall`
 * @param options - what is charged for, and who may call it
 * @throws TypeError where an option is wrong
 * @example
 * ```ts
 * import { createPaywall } from "@licentric/mcp";
 * import { createRequestGuard } from "@licentric/mcp/protocol";
 *
 * const guard = createRequestGuard(createPaywall({ baseUrl: "http://127.0.0.1:4242" }), {
 *   tools: { forecast: { meterName: "api_calls" } },
 * });
 * const { signal } = new AbortController();
 * const request = { id: 1, method: "tools/call", params: { name: "forecast" }, token: "AGT-…", signal };
 * const result = await guard.handle(request, async () => ({ content: [] }));
 * ```
 */
export function createRequestGuard(paywall: Paywall, options: RequestGuardOptions): RequestGuard {
  const { validator, where = "createRequestGuard", requireToken, ...charges } = options;
  const isAll = requireToken === "all";
  const plan = planOf(
    paywall,
    { ...charges, ...(requireToken !== undefined && !isAll && { requireToken }) },
    where,
  );
  const all = { has: (method: unknown) => !HANDSHAKE.includes(method) && !isChargedOrTask(method) };
  return guardForwarded({ ...plan, refusals: "error", ...(isAll && { tokenMethods: all }) }, validator);
}
