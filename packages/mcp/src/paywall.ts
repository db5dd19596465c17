import { Licentric } from "@licentric/sdk";
import type { Caller } from "./caller.ts";
import { createCharge } from "./charge.ts";
import { digest } from "./digest.ts";
import { createDoor, type Door, type DoorOptions } from "./door.ts";
import { createEmitter, type PaywallEvents, type PaywallListener } from "./events.ts";
import type { Gate } from "./gate.ts";
import type { Gateway } from "./gateway.ts";
import { type AnyHandler, type GuardedHandler, guardHandler } from "./handler.ts";
import { createIdentify, withRecent } from "./identify.ts";
import { createJournalSink } from "./journal-sink.ts";
import { createPassages } from "./passages.ts";
import { checkPaywallOptions, keepsJournal, type PaywallOptions } from "./paywall-options.ts";
import { type ChargeOptions, toPolicy } from "./policy.ts";
import { guardServer } from "./protect.ts";
import { Refused } from "./refused.ts";
import { createReplays } from "./replays.ts";
import { createSdkGateway } from "./sdk-gateway.ts";
import { type ProtectOptions, toServerPlan } from "./server-plan.ts";
import { createTelemetry } from "./telemetry.ts";
import { createTeller } from "./teller.ts";
import { createVerificationCache } from "./verification-cache.ts";
import { createVerifier, type TokenVerifier, type VerifierOptions } from "./verifier.ts";

/** What a single handler costs. */
export interface HandlerOptions<Args = unknown, Result = unknown> extends ChargeOptions<Args, Result> {
  /** The name in events. A single handler is not told its own; `paywall.protect` knows them all. */
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
   */
  readonly tool: WrapHandler;
  /** Charges for one prompt. A refused request is answered with a JSON-RPC error ({@link RefusedError}). */
  readonly prompt: WrapHandler;
  /** Charges for one resource or template. A refused request is answered with a JSON-RPC error ({@link RefusedError}). */
  readonly resource: WrapHandler;
  /**
   * Charges for a whole server: an `McpServer` or a low-level `Server` of either SDK, whatever was or will be
   * registered with it, updated, or handled by request handlers of your own.
   *
   * @returns the same server
   * @throws TypeError where an option is wrong, or the server cannot be guarded: never is one left unguarded
   */
  protect<Server extends object>(server: Server, options: ProtectOptions): Server;
  /**
   * Who called, for a handler: what the API said of the caller's credential.
   *
   * @param context - the handler's last argument
   * @throws TypeError outside of a charged call
   */
  caller(context: unknown): Caller;
  /**
   * The verifier for `requireBearerAuth` of both SDKs, so that a request with a bad token is answered 401 before it
   * reaches MCP. It asks the API once a minute for each token; every call is verified again where it is billed.
   */
  verifier(options?: VerifierOptions): TokenVerifier;
  /** The HTTP door for web-standard requests: like `requireBearerAuth`, with 429, 503 and RFC 9728 metadata. */
  door(options: DoorOptions): Door;
  /** Hears events; returns the function that stops it. */
  on<Type extends keyof PaywallEvents>(type: Type, listener: PaywallListener<Type>): () => void;
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
  return buildPaywall(
    options,
    options.client === undefined ? gateway : { ...gateway, close: async () => undefined },
  );
}

/** Milliseconds for which the HTTP door trusts a token that was verified: every call behind it is verified again. */
const DOOR_TRUST = 60_000;

/** Puts a paywall together over any gateway. */
export function buildPaywall(options: PaywallOptions, gateway: Gateway): Paywall {
  const { links = {}, timeout = 5_000, defaults = {}, refusals = "result", hideUncallable = false } = options;
  const now = () => performance.now();
  const allowOffline = options.onUnavailable === "allow";
  const emitter = createEmitter();
  const journal = keepsJournal(options)
    ? createJournalSink(options.journal ?? {}, gateway, emitter)
    : undefined;
  const callers = withRecent(
    createVerificationCache({ cacheTtl: options.verification?.cacheTtl ?? 0 }),
    DOOR_TRUST,
    now,
  );
  const teller = createTeller({ gateway, emitter, links, cache: callers.cache, journal: journal?.open, now });
  const identify = createIdentify({ gateway, callers, links, timeout, allowOffline });
  const passages = createPassages({
    charge: createCharge({
      teller,
      emitter,
      timeout,
      background: options.metering === "background",
      allowOffline,
      now,
    }),
    trace: createTelemetry(emitter),
    replays: createReplays(now),
    emitter,
    links,
    tokenSource: options.token,
    environment: process.env,
  });
  const guarded = new WeakMap<object, GuardedHandler>();

  const wrap = (kind: Gate["kind"]) => {
    const guard = (options: HandlerOptions, handler: AnyHandler): AnyHandler => {
      const { name, ...charges } = options;
      const policy = toPolicy({ ...defaults, ...charges }, `paywall.${kind}`);
      const shown = name ?? (handler.name || kind);
      // A handler is made anew with every server; its text tells it from others all the same.
      const gate: Gate = {
        kind,
        name: shown,
        id: name === undefined ? digest(kind, String(handler)) : `${kind} ${name}`,
        policy,
      };
      const made = guardHandler(passages, gate, handler);
      guarded.set(made, { policy, handler });
      return made;
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
          refusals,
          hideUncallable,
          guardedOf: (handler) => (typeof handler === "function" ? guarded.get(handler) : undefined),
          scopeStepUp: options.scopeStepUp ?? false,
          scopesOf: async (context) => {
            try {
              return (await identify(await passages.tokenOf(context))).scopes;
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
    async close({ timeout: closeTimeout = 5_000 } = {}) {
      await journal?.close(closeTimeout);
      await gateway.close();
    },
  };
}
