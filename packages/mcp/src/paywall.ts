import { Licentric } from "@licentric/sdk";
import type { Gateway } from "./api/gateway.ts";
import { createJournalSink, defaultJournalDirectory, type JournalOptions } from "./api/journal-sink.ts";
import { createSdkGateway } from "./api/sdk-gateway.ts";
import type { Caller } from "./caller.ts";
import type { Call } from "./charging/call.ts";
import { createCharge } from "./charging/charge.ts";
import type { Gate } from "./charging/gate.ts";
import { createPassages } from "./charging/passages.ts";
import { type ChargeOptions, type Policy, toPolicy } from "./charging/policy.ts";
import { Refused } from "./charging/refused.ts";
import { createReplays } from "./charging/replays.ts";
import { createTeller } from "./charging/teller.ts";
import { createUnderWay } from "./charging/under-way.ts";
import { createEmitter, type PaywallEvents, type PaywallListener } from "./events.ts";
import { createDoor, type Door, type DoorOptions } from "./http/door.ts";
import { createIdentify, withRecent } from "./http/identify.ts";
import { createVerifier, type TokenVerifier, type VerifierOptions } from "./http/verifier.ts";
import { checkPaywallOptions, keepsJournal, type PaywallOptions } from "./paywall-options.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { type AnyHandler, guardHandler } from "./server/handler.ts";
import { guardServer } from "./server/protect.ts";
import { type ProtectOptions, toServerPlan } from "./server/server-plan.ts";
import { createTaskOwners } from "./server/tasks.ts";
import { createTelemetry } from "./telemetry.ts";
import { digest } from "./util/digest.ts";
import { identityOf } from "./util/identity.ts";
import { createVerificationCache } from "./verification-cache.ts";

/** What a single handler costs. */
export interface HandlerOptions<Args = unknown, Result = unknown> extends ChargeOptions<Args, Result> {
  /**
   * The name in events, and what tells this handler from others. A single handler is not told the name that it is
   * registered with; `paywall.protect` knows them all.
   *
   * Without one, a handler is told by itself: by the very function, its text and its price. A repetition under an
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

/** Charges for the calls of MCP servers. Made by {@link createPaywall}; make one and keep it. */
export interface Paywall {
  /**
   * Charges for one tool: a handler of the same type, which runs for those who may call it and is billed as
   * `options` say. What the handler answers or throws is passed on unchanged; a refused call answers an error
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
  /** Charges for one prompt. A refused request is answered with a JSON-RPC error (`RefusedError`). */
  readonly prompt: WrapHandler;
  /** Charges for one resource or template. A refused request is answered with a JSON-RPC error (`RefusedError`). */
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
   * Who called, for a handler: what the API said of the caller's credential.
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
   * The verifier for `requireBearerAuth` of both SDKs, so that a request with a bad token is answered 401 before it
   * reaches MCP. It asks the API once a minute for each token; every call is verified again where it is billed.
   */
  verifier(options?: VerifierOptions): TokenVerifier;
  /**
   * The HTTP door for web-standard requests: like `requireBearerAuth`, with 429, 503 and RFC 9728 metadata.
   *
   * @example
   * ```ts
   * const door = paywall.door({ resource: "https://weather.example.com/mcp" });
   * const auth = await door(new Request("https://weather.example.com/mcp"));
   * if (auth instanceof Response) console.error(auth.status); // else: who called
   * ```
   */
  door(options: DoorOptions): Door;
  /**
   * Hears events; returns the function that stops it.
   *
   * @example
   * ```ts
   * paywall.on("failed", ({ reason, error }) => console.error(reason, error));
   * ```
   */
  on<Type extends keyof PaywallEvents>(type: Type, listener: PaywallListener<Type>): () => void;
  /**
   * Delivers what is journalled at once, without waiting for the next interval or the pause after a failure: when the
   * API is back after an outage, or before the process is frozen. Resolves when all of it is delivered, and at once
   * where the paywall keeps no journal.
   *
   * @throws Error where something could not be delivered: it stays on disk and is sent again later
   * @example
   * ```ts
   * await paywall.flush();
   * ```
   */
  flush(): Promise<void>;
  /**
   * Delivers what is journalled, within `timeout` milliseconds (5,000 by default), and closes the connections to the
   * API. Calls that come later are refused. What could not be delivered stays on disk for the next process.
   */
  close(options?: { readonly timeout?: number }): Promise<void>;
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
  checkPaywallOptions(options);
  const apiKey = options.apiKey ?? (process.env["LICENTRIC_API_KEY"] || null);
  const client =
    options.client ??
    new Licentric({ apiKey, ...(options.baseUrl !== undefined && { baseUrl: options.baseUrl }) });
  if (options.client === undefined && apiKey === null && keepsJournal(options)) {
    throw new TypeError(
      `createPaywall: ${options.metering === "background" ? 'metering: "background"' : 'onUnavailable: "allow"'} delivers usage with a management key: set LICENTRIC_API_KEY or pass apiKey`,
    );
  }
  const gateway = createSdkGateway(client);
  const directory = options.journal?.directory ?? defaultJournalDirectory(client.baseUrl, apiKey);
  return buildPaywall(
    options,
    options.client === undefined ? gateway : { ...gateway, close: async () => undefined },
    keepsJournal(options) ? { ...options.journal, directory } : undefined,
  );
}

/** Milliseconds for which the HTTP door trusts a token that was verified: every call behind it is verified again. */
const DOOR_TRUST = 60_000;

/** Puts a paywall together over any gateway. */
export function buildPaywall(
  options: PaywallOptions,
  gateway: Gateway,
  journalAt?: JournalOptions & { readonly directory: string },
): Paywall {
  const { links = {}, timeout = 5_000, defaults = {}, refusals = "result", hideUncallable = false } = options;
  const now = () => performance.now();
  const allowOffline = options.onUnavailable === "allow";
  const emitter = createEmitter();
  const journal = journalAt && createJournalSink(journalAt, gateway, emitter);
  const callers = withRecent(
    createVerificationCache({ cacheTtl: options.verification?.cacheTtl ?? 0 }),
    DOOR_TRUST,
    now,
  );
  const teller = createTeller({
    gateway,
    emitter,
    links,
    cache: callers.cache,
    journal: journal?.open,
    timeout,
    now,
  });
  const identify = createIdentify({ gateway, emitter, callers, links, timeout, allowOffline });
  let isClosed = false;
  const charge = createCharge({
    teller,
    emitter,
    background: options.metering === "background",
    allowOffline,
    now,
  });
  const underWay = createUnderWay();
  const passages = createPassages({
    charge: {
      admit: (call, policy) => (isClosed ? refuseAsClosed(call) : charge.admit(call, policy)),
      identify: (call, policy) => (isClosed ? refuseAsClosed(call) : charge.identify(call, policy)),
    },
    underWay,
    trace: createTelemetry(emitter),
    replays: createReplays(now),
    emitter,
    links,
    tokenSource: options.token,
    environment: process.env,
    timeout,
  });
  const tasks = createTaskOwners();
  const identifyCaller = async (context: unknown) => identify(await passages.tokenOf(context));
  /** Calls that are under way go on to their end; no other begins. */
  async function refuseAsClosed({ kind, name }: Call): Promise<Refusal> {
    const refusal = refuse("billing_unavailable", links, {
      message: "This server is shutting down and takes no more calls. Nothing was run or charged.",
    });
    emitter.emit("denied", { kind, name, refusal, agentId: undefined });
    return refusal;
  }

  const wrap = (kind: Gate["kind"]) => {
    const guard = (options: HandlerOptions, handler: AnyHandler): AnyHandler => {
      const { name, ...charges } = options;
      const policy = toPolicy({ ...defaults, ...charges }, `paywall.${kind}`);
      const shown = name ?? (handler.name || kind);
      // A handler is made anew with every server; its text and its price tell it from most others all the same.
      const gate: Gate = {
        kind,
        name: shown,
        id: name === undefined ? digest(kind, String(handler), textOf(policy)) : `${kind} ${name}`,
        policy,
        ...(name === undefined && {
          madeOf: identityOf(handler, policy.meterName, policy.quantity, policy.resultQuantity),
        }),
      };
      return guardHandler(passages, gate, handler);
    };
    return guard as WrapHandler;
  };

  return {
    tool: wrap("tool"),
    prompt: wrap("prompt"),
    resource: wrap("resource"),
    protect(server, charges) {
      guardServer(
        server,
        toServerPlan(charges, defaults, {
          passages,
          timeout,
          refusals,
          hideUncallable,
          scopeStepUp: options.scopeStepUp ?? false,
          tasks,
          identify: identifyCaller,
          scopesOf: async (context) => {
            try {
              return (await identifyCaller(context)).scopes;
            } catch (error) {
              if (!(error instanceof Refused)) throw error;
              return error.refusal.status === 401 ? "none" : undefined;
            }
          },
        }),
      );
      return server;
    },
    caller(context) {
      const caller = passages.callerOf(context);
      if (caller !== undefined) return caller;
      throw new TypeError(
        "paywall.caller takes the last argument of a handler that is being called through this paywall",
      );
    },
    verifier: (verifierOptions = {}) => createVerifier(identify, verifierOptions),
    door: (doorOptions) => createDoor(identify, links, doorOptions),
    on: emitter.on,
    flush: async () => journal?.flush(),
    async close({ timeout: closeTimeout = 5_000 } = {}) {
      isClosed = true;
      const end = now() + closeTimeout;
      await underWay.end(closeTimeout);
      await journal?.close(Math.max(0, end - now()));
      await gateway.close();
    },
  };
}

/** A policy as text, its functions by theirs. */
function textOf(policy: Policy): string {
  return JSON.stringify(policy, (_, value: unknown) => (typeof value === "function" ? String(value) : value));
}
