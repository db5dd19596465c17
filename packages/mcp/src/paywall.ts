import type { Caller } from "@licentric/paywall/adapter";
import {
  type BearerAuthOptions,
  type ChargeOptions,
  type CorePaywall,
  checkWrapped,
  createCorePaywall,
  createRequireBearerAuth,
  createVerifier,
  digest,
  type Policy,
  partsOf,
  RefusedError,
  type RequireBearerAuth,
  type RunningCall,
  type TokenVerifier,
  toPolicy,
  type VerifierOptions,
} from "@licentric/paywall/adapter";
import { createHandlerCharges, type HandlerCharges } from "./handler/handler-charges.ts";
import { identityOf } from "./handler/identity.ts";
import type { ServedKind, ServedTarget } from "./handler/request-scope.ts";
import { type AnyHandler, guardHandler } from "./handler/wrap-handler.ts";
import { checkMcpOptions, type PaywallOptions } from "./options.ts";
import { createTaskOwners } from "./protocol/task-owners.ts";
import { guardServer } from "./server/protect.ts";
import { type PlanParts, type ProtectOptions, type ServerPlan, toServerPlan } from "./server/server-plan.ts";

/** The price of a single handler. */
export interface HandlerOptions<Args = unknown, Result = unknown> extends ChargeOptions<Args, Result> {
  /**
   * The name in events, and what tells this handler from others. A single handler is not told the name that it is
   * registered with; `paywall.protect` knows them all.
   *
   * Without one, a handler is told by itself: by the very function, its source and its price. A repetition under an
   * agent's idempotency key is then given the first result where it meets the same function again, and refused where it
   * meets another one, such as that of a server that is made anew for each request. Name handlers that agents are to
   * repeat calls of, each with a name of its own: handlers of one name are one to the paywall.
   */
  readonly name?: string;
}

/**
 * A handler's last argument where nothing says of which SDK: v1's `extra` or v2's `ctx`. Handlers with arguments
 * have the SDK's own type; for one without, annotate the parameter to see more of it.
 */
export type HandlerContext =
  | {
      readonly signal: AbortSignal;
      readonly requestId: string | number;
      readonly sessionId?: string | undefined;
    }
  | {
      readonly mcpReq: { readonly id: string | number; readonly signal: AbortSignal };
      readonly sessionId?: string | undefined;
    };

/** The arguments of a handler with these parameters: undefined where it takes its context alone. */
export type ArgsOf<Params extends readonly unknown[]> = Params extends readonly [
  infer Args,
  unknown,
  ...unknown[],
]
  ? Args
  : undefined;

/** Wraps a handler of either SDK and keeps its type. */
export type WrapHandler = <Params extends readonly unknown[] = [context: HandlerContext], Result = unknown>(
  options: HandlerOptions<ArgsOf<Params>, Result>,
  handler: (...params: Params) => Result | Promise<Result>,
) => (...params: Params) => Promise<Result>;

/** Charges for the calls of MCP servers, and for anything else. Made by {@link createPaywall}; make one and keep it. */
export interface Paywall extends CorePaywall {
  /**
   * Charges for one tool: a handler of the same type, which runs for those who may call it and is billed as
   * `options` say. What the handler returns or throws is passed on unchanged; a refused call returns an error
   * result.
   *
   * @throws TypeError where an option is wrong
   * @example
   * ```ts
   * server.registerTool(
   *   "forecast",
   *   { inputSchema: z.object({ city: z.string() }) },
   *   paywall.tool({ meterName: "api_calls" }, async ({ city }) => ({
   *     content: [{ type: "text", text: `Sun in ${city}` }],
   *   })),
   * );
   * ```
   */
  readonly tool: WrapHandler;
  /** Charges for one prompt. A refused request is answered with a JSON-RPC error (`RefusedRequestError`). */
  readonly prompt: WrapHandler;
  /** Charges for one resource or template. A refused request is answered with a JSON-RPC error (`RefusedRequestError`). */
  readonly resource: WrapHandler;
  /**
   * Charges for a whole server: an `McpServer` or a low-level `Server` of either SDK, whatever was or will be
   * registered with it, updated, or handled by request handlers of your own.
   *
   * @returns the same server
   * @throws TypeError where an option is wrong, or the server cannot be guarded: never is one left unguarded
   * @example
   * ```ts
   * paywall.protect(server, { tools: { forecast: { meterName: "api_calls" }, ping: false } });
   * ```
   */
  protect<Server extends object>(server: Server, options: ProtectOptions): Server;
  /**
   * Returns the caller, for a handler, as the API said when it verified the credential.
   *
   * @param context - the handler's last argument; nothing where a framework hands none over
   * @throws TypeError outside of a charged call
   * @example
   * ```ts
   * server.registerTool("whoami", {}, async (ctx) => ({
   *   content: [{ type: "text", text: paywall.caller(ctx).agentId }],
   * }));
   * ```
   */
  caller(context?: unknown): Caller;
  /**
   * Reports units that the running call has used, where it is billed by its use (`charge: "success"` or `"reserve"`): for
   * a handler that delivers as it goes. Reports add up, take the place of `quantity` and `resultQuantity`, and are billed
   * however the call ends, a cancelled one too; units beyond what was reserved are billed, and told by a `failed` event.
   *
   * A charged handler that another one calls reports to its own call, or to the other's where it is in that one's price.
   *
   * @param quantity - whole units, 0 or more
   * @param context - the handler's last argument; nothing where a framework hands none over
   * @throws TypeError outside of a charged call, where it is not billed by its use or has ended, or the quantity is no
   *   whole number
   * @example
   * ```ts
   * paywall.protect(server, { tools: { translate: { meterName: "pages", charge: "reserve", quantity: 100 } } });
   * server.registerTool("translate", {}, async (ctx) => {
   *   paywall.reportUsage(1, ctx); // The first page is delivered.
   *   return { content: [{ type: "text", text: "done" }] };
   * });
   * ```
   */
  reportUsage(quantity: number, context?: unknown): void;
  /**
   * The verifier for `requireBearerAuth` of both SDKs, so that a request with a bad token is answered 401 before it
   * reaches MCP. It asks the API once a minute for each token; every call is verified again where it is billed.
   */
  verifier(options?: VerifierOptions): TokenVerifier;
  /**
   * `requireBearerAuth` for web-standard requests: as in SDK v2, with 429, 503 and RFC 9728 metadata.
   *
   * @example
   * ```ts
   * const authenticate = paywall.requireBearerAuth({ resource: "https://weather.example.com/mcp" });
   * const auth = await authenticate(new Request("https://weather.example.com/mcp"));
   * if (auth instanceof Response) console.error(auth.status); // else: who called
   * ```
   */
  requireBearerAuth(options: BearerAuthOptions): RequireBearerAuth;
}

/**
 * Makes a paywall. In its default form it needs nothing but the API's address: each call is verified and metered,
 * with its own agent's token, in one request before its handler runs.
 *
 * @throws TypeError where an option is wrong
 * @throws LicentricError where `baseUrl` or `apiKey` is malformed
 * @example
 * ```ts
 * import { createPaywall } from "@licentric/mcp";
 *
 * const paywall = createPaywall({ baseUrl: "http://127.0.0.1:4242", links: { credential: "https://example.com/agents" } });
 * ```
 */
export function createPaywall(options: PaywallOptions = {}): Paywall {
  checkMcpOptions(options);
  const { paywall, refusals, hideUncallable, showPrices, scopeStepUp, ...core } = options;
  return buildPaywall(options, paywall ?? createCorePaywall(core));
}

/** Puts a paywall for MCP together over one for anything. */
export function buildPaywall(options: PaywallOptions, paywall: CorePaywall): Paywall {
  const { core, timeout, defaults } = partsOf(paywall);
  const { links, identify } = core;
  const handlerCharges = createHandlerCharges(core);
  const identifyCaller = async (context: unknown) => identify(await handlerCharges.tokenOf(context));
  const { refusals = "result" } = options;
  const thrown = refusals === "throw" ? "throw" : "result";
  const wrap = (kind: ServedKind) => wrapHandlers(kind, handlerCharges, defaults, thrown);
  const parts: PlanParts = {
    handlerCharges,
    links,
    timeout,
    receipts: core.receipts,
    refusals: refusals === "error" ? "error" : "result",
    hideUncallable: options.hideUncallable ?? false,
    scopeStepUp: options.scopeStepUp ?? false,
    showPrices: options.showPrices ?? false,
    tasks: createTaskOwners(),
    warn: core.emitter.warn,
    identify: identifyCaller,
    scopesOf: (context: unknown) => scopesOf(identifyCaller(context)),
    pricesOf: async (context: unknown) => core.findPriceList(await handlerCharges.tokenOf(context)),
  };
  const mcpPaywall: Paywall = {
    ...paywall,
    tool: wrap("tool"),
    prompt: wrap("prompt"),
    resource: wrap("resource"),
    protect(server, charges) {
      guardServer(server, toServerPlan(charges, defaults, { ...parts, where: "paywall.protect" }));
      return server;
    },
    reportUsage: (quantity, context) => runningCall(handlerCharges.callsOf(context)).reportUsage(quantity),
    caller(context) {
      const caller = handlerCharges.callsOf(context).at(-1)?.caller;
      if (caller !== undefined) return caller;
      throw new TypeError(
        "paywall.caller takes the last argument of a handler that is being called through this paywall",
      );
    },
    verifier: (verifierOptions = {}) => createVerifier(identify, verifierOptions),
    requireBearerAuth: (bearerAuthOptions) => createRequireBearerAuth(identify, links, bearerAuthOptions),
  };
  planMakers.set(mcpPaywall.protect, (charges, where) =>
    toServerPlan(charges, defaults, { ...parts, where }),
  );
  return mcpPaywall;
}

/** Makes plans of a paywall's own, by its `protect`, which a paywall that is made of another one keeps. */
const planMakers = new WeakMap<Paywall["protect"], (charges: ProtectOptions, where: string) => ServerPlan>();

/**
 * Makes a plan of a paywall for a server that is none of this process.
 *
 * @param where - the place where the owner wrote the prices, for sentences about them
 * @throws TypeError where an option is wrong, or the paywall was not made by {@link createPaywall} of this package
 */
export function planOf(paywall: Paywall, charges: ProtectOptions, where: string): ServerPlan {
  const makePlan = planMakers.get(paywall.protect);
  if (makePlan === undefined)
    throw new TypeError(
      "a paywall is needed that was made by createPaywall of the same copy of @licentric/mcp",
    );
  return makePlan(charges, where);
}

/** Makes the function that wraps handlers of a kind. */
function wrapHandlers(
  kind: ServedKind,
  handlerCharges: HandlerCharges,
  defaults: Partial<ChargeOptions>,
  refusals: "result" | "throw",
): WrapHandler {
  const guard = (options: HandlerOptions, handler: AnyHandler): AnyHandler => {
    checkWrapped(`paywall.${kind}`, options, handler);
    const { name, ...charges } = options;
    const policy = toPolicy({ ...defaults, ...charges }, `paywall.${kind}`);
    const { meterName, quantity, resultQuantity } = policy;
    const target: ServedTarget = {
      kind,
      name: name ?? (handler.name || kind),
      // A handler is made anew with every server; its source and its price tell it from most others all the same.
      id: name === undefined ? digest(kind, String(handler), stringOf(policy)) : `${kind} ${name}`,
      policy,
      ...(name === undefined && { madeOf: identityOf(handler, meterName, quantity, resultQuantity) }),
    };
    return guardHandler(handlerCharges, target, handler, refusals);
  };
  return guard as WrapHandler;
}

/** Returns the scopes of a caller: "none" without a valid credential, undefined where it could not be found out. */
async function scopesOf(identifying: Promise<Pick<Caller, "scopes">>) {
  try {
    return (await identifying).scopes;
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return error.refusal.status === 401 ? "none" : undefined;
  }
}

/**
 * Returns the only call that runs.
 *
 * @throws TypeError where there is none, or several
 */
function runningCall([call, ...others]: readonly RunningCall[]): RunningCall {
  if (call === undefined)
    throw new TypeError(
      "paywall.reportUsage: no call runs here; report in a handler that it charges for, and hand over its last argument",
    );
  if (others.length > 0)
    throw new TypeError(
      "paywall.reportUsage: several calls run in this request, and nothing says which one this is; bind a callback that runs outside of its handler's asynchronous context to it, with AsyncResource.bind",
    );
  return call;
}

/** Returns a policy as a string, its functions by their source. */
function stringOf(policy: Policy): string {
  return JSON.stringify(policy, (_, value: unknown) => (typeof value === "function" ? String(value) : value));
}
