import type { IncomingMessage } from "node:http";
import type { Receipt } from "./billing/charge-context.ts";
import { chargeResultOf, completionOf, receiptOfCharged } from "./call/charge.ts";
import type { ChargedTarget } from "./call/charged-target.ts";
import type { Call } from "./credential/call.ts";
import type { Caller } from "./credential/caller.ts";
import { hashToken, readAgentKey } from "./credential/find-credential.ts";
import type { PaywallEvents, PaywallListener } from "./events.ts";
import { tell } from "./events.ts";
import type { HttpOptions } from "./http/http-options.ts";
import { createMiddleware, type Middleware } from "./http/middleware.ts";
import { createRoute, type WrapRoute } from "./http/route.ts";
import { checkPaywallOptions, type PaywallOptions } from "./options.ts";
import { createCore, type PaywallCore } from "./paywall-core.ts";
import { type ChargeOptions, isOptions, OPTIONS_ADVICE, toPolicy } from "./pricing/charge-options.ts";
import { RefusedError } from "./refusal/refused-error.ts";
import { type Fingerprint, fingerprint } from "./util/digest.ts";

/** A call of anything that an agent can ask for. */
export interface ChargeableCall<Args = unknown> {
  /** The agent's token, `AGT-…`; undefined where it sent none. See {@link bearerToken} for a header. */
  readonly token: string | undefined;
  /** The name of the thing that is called, for events; one name for one thing. */
  readonly name: string;
  /** The arguments: prices may read them, and a repetition has to have the same. They leave the process in no form. */
  readonly args?: Args;
  /**
   * The agent's own key for this call: 1 to 255 printable ASCII characters. A repetition with the same key and arguments
   * is given the first call's value, if that was billed, and is neither run nor billed again.
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * Is told the receipt, once the call is settled and where it was billed; of a repetition, the first call's. What is
   * thrown becomes a process warning.
   */
  readonly onReceipt?: ((receipt: Receipt) => void) | undefined;
  /** Aborts when nobody waits for the call any more. */
  readonly signal?: AbortSignal | undefined;
}

/** A call that runs. */
export interface RunningCall {
  /** The agent that called, as the API said when it verified the credential. */
  readonly caller: Caller;
  /**
   * Reports units that were used, where the call is billed by its use (`charge: "success"` or `"reserve"`). Reports add
   * up, take the place of `quantity`, and are billed however the call ends; units beyond what was reserved are billed as well, and
   * told by a `failed` event.
   *
   * @param quantity - whole units, 0 or more
   * @throws TypeError where the call is not billed by its use, the quantity is no whole number, or the call has ended
   */
  reportUsage(quantity: number): void;
}

/** Charges for calls. Made by {@link createPaywall}; make one and keep it. */
export interface Paywall {
  /**
   * Charges for one call of anything: authorizes it, runs it for those who may, and settles it, each once.
   *
   * @param call - what is called, and by whom
   * @param options - what it costs and who may call it
   * @param run - runs for those who may
   * @returns what `run` returned
   * @throws RefusedError where the call was refused: it did not run, or its result could not be billed
   * @throws TypeError where an option is wrong
   * @throws what `run` throws, unchanged; the signal's reason where the call was cancelled and not billed
   * @example
   * ```ts
   * import { createPaywall } from "@licentric/paywall";
   *
   * const paywall = createPaywall({ baseUrl: "http://127.0.0.1:4242" });
   * const report = await paywall.charge(
   *   { token: "AGT-…", name: "report", args: { city: "Rome" } },
   *   { meterName: "pages", charge: "reserve", quantity: 20 },
   *   async (call) => {
   *     call.reportUsage(3);
   *     return `Three pages for ${call.caller.agentId}`;
   *   },
   * );
   * ```
   */
  charge<Result, Args = unknown>(
    call: ChargeableCall<Args>,
    options: ChargeOptions<Args, Result>,
    run: (call: RunningCall) => Result | Promise<Result>,
  ): Promise<Result>;
  /**
   * Charges for an HTTP route of web-standard requests: Hono, Next, Bun, Deno, Workers. Each request needs its agent's
   * token as `Authorization: Bearer AGT-…`. A refused one is answered with 401, 402, 403, 409, 429 or 503, what to do in
   * its headers, and the refusal as JSON. A response of 400 or more is a failure: with `charge: "success"` or `"reserve"`
   * it is not billed. A body that is streamed is settled when it ends or its client goes.
   *
   * An agent may send an `Idempotency-Key`: a repetition is given the first response, where that was no stream.
   *
   * @param options - what a request costs and who may make it; prices read the request, not its body
   * @param handler - gets the request, the call that it is charged as, and whatever else the framework hands over
   * @throws TypeError where an option is wrong
   * @example
   * ```ts
   * import { createPaywall } from "@licentric/paywall";
   *
   * const paywall = createPaywall({ baseUrl: "http://127.0.0.1:4242" });
   * const GET = paywall.route({ meterName: "api_calls", charge: "success" }, (request, { caller }) =>
   *   Response.json({ city: new URL(request.url).searchParams.get("city"), for: caller.agentId }),
   * );
   * ```
   */
  readonly route: WrapRoute;
  /**
   * Charges for what comes after it in Express, and in whatever else serves Node's own requests, as
   * {@link Paywall.route} does. What the handler passes to `response.end` is sent when the request is settled. Put it
   * behind body parsers: they read what tells a repetition under an `Idempotency-Key` from another request.
   *
   * @param options - what a request costs and who may make it; prices read the request
   * @throws TypeError where an option is wrong
   * @example
   * ```ts
   * import { createServer } from "node:http";
   * import { createPaywall } from "@licentric/paywall";
   *
   * const paywall = createPaywall({ baseUrl: "http://127.0.0.1:4242" });
   * const charge = paywall.middleware({ meterName: "api_calls", charge: "success" });
   * createServer((request, response) => {
   *   charge(request, response, (error) => {
   *     if (error) response.writeHead(500).end();
   *     else response.end(`Hello, ${paywall.callOf(request).caller.agentId}`);
   *   });
   * });
   * ```
   */
  middleware<Incoming extends IncomingMessage = IncomingMessage>(
    options: HttpOptions<Incoming>,
  ): Middleware<Incoming>;
  /**
   * Returns the call that a request is charged as, for handlers behind {@link Paywall.middleware} and the Fastify plugin.
   *
   * @param request - the request that the handler was given
   * @throws TypeError where the request is not charged for
   */
  callOf(request: object): RunningCall;
  /**
   * Hears events; returns the function that stops it.
   *
   * @param type - which events
   * @param listener - is called with each
   * @example
   * ```ts
   * import { createPaywall } from "@licentric/paywall";
   *
   * const paywall = createPaywall({ baseUrl: "http://127.0.0.1:4242" });
   * paywall.on("failed", ({ reason, error }) => console.error(reason, error));
   * ```
   */
  on<Type extends keyof PaywallEvents>(type: Type, listener: PaywallListener<Type>): () => void;
  /**
   * Delivers what is journalled at once, without waiting for the next interval or the pause after a failure: when the API
   * is back after an outage, or before the process is frozen. Resolves when all of it is delivered, and at once where no
   * journal is kept.
   *
   * @throws Error where something could not be delivered: it stays on disk and is sent again later
   */
  flush(): Promise<void>;
  /**
   * Delivers what is journalled, within `timeout` milliseconds (5,000 by default), and closes the connections to the
   * API. Calls that come later are refused. What could not be delivered stays on disk for the next process.
   */
  close(options?: { readonly timeout?: number }): Promise<void>;
}

/**
 * Makes a paywall. It needs nothing but the API's address: each call is verified and metered with its own agent's token.
 *
 * @param options - how it reaches the API, and what holds for every call
 * @throws TypeError where an option is wrong
 * @throws LicentricError where `baseUrl` or `apiKey` is malformed
 */
export function createPaywall(options: PaywallOptions = {}): Paywall {
  checkPaywallOptions(options);
  return buildPaywall(options, createCore(options));
}

/** Puts a paywall together over any core. */
export function buildPaywall({ defaults = {}, timeout = 5_000 }: PaywallOptions, core: PaywallCore): Paywall {
  const calls = new WeakMap<object, RunningCall>();
  const starts = (request: object, { caller, reportUsage }: RunningCall) =>
    void calls.set(request, { caller, reportUsage });
  const paywall: Paywall = {
    route: createRoute(core, defaults, starts),
    middleware: createMiddleware(core, defaults, starts),
    callOf(request) {
      const call = calls.get(request);
      if (call === undefined)
        throw new TypeError(
          "paywall.callOf: this request is not charged for; put paywall.middleware, or the Fastify plugin, before its handler",
        );
      return call;
    },
    async charge<Result, Args>(
      called: ChargeableCall<Args>,
      options: ChargeOptions<Args, Result>,
      run: (call: RunningCall) => Result | Promise<Result>,
    ): Promise<Result> {
      const name = called?.name;
      if (typeof name !== "string" || name === "")
        throw new TypeError("paywall.charge: a call needs a name, which tells it from others");
      if (!isOptions(options)) throw new TypeError(`paywall.charge: ${name}: ${OPTIONS_ADVICE}`);
      if (typeof run !== "function")
        throw new TypeError(
          `paywall.charge: ${name}: it takes the function that runs for those who may, last`,
        );
      const policy = toPolicy({ ...defaults, ...options }, `paywall.charge: ${name}`);
      const target: ChargedTarget = { kind: "call", name, id: `call ${name}`, policy };
      const charged = await core.charge(toCall(called), target, async ({ caller, reportUsage }) => {
        const completion = await completionOf(() => run({ caller, reportUsage }));
        const isDone = completion.status === "returned";
        return {
          completion,
          outcome: isDone ? { status: "done", result: completion.result } : { status: "failed" },
        };
      });
      const receipt = receiptOfCharged(charged);
      if (receipt !== undefined && called.onReceipt !== undefined)
        tell(called.onReceipt, receipt, "paywall.charge: onReceipt");
      const chargeResult = chargeResultOf(charged);
      if ("refusal" in chargeResult) throw new RefusedError(chargeResult.refusal);
      // What is kept of a call is what its own run returned.
      return chargeResult.result as Result;
    },
    on: core.emitter.on,
    flush: core.flush,
    close: ({ timeout: closeTimeout = 5_000 } = {}) => core.close(closeTimeout),
  };
  parts.set(paywall, { core, defaults, timeout, starts });
  return paywall;
}

/** The parts of a paywall that adapters to a framework use. */
export interface PaywallParts {
  readonly core: PaywallCore;
  readonly defaults: NonNullable<PaywallOptions["defaults"]>;
  /** Milliseconds that one request to the API may take. */
  readonly timeout: number;
  /** Remembers the call that a request is charged as. */
  readonly starts: (request: object, call: RunningCall) => void;
}

const parts = new WeakMap<Paywall, PaywallParts>();

/**
 * Returns what a paywall is made of, for adapters to a framework.
 *
 * @throws TypeError where it was not made by {@link createPaywall} of this package
 */
export function partsOf(paywall: Paywall): PaywallParts {
  const known = parts.get(paywall);
  if (known === undefined)
    throw new TypeError(
      "a paywall is needed that was made by createPaywall of the same copy of @licentric/paywall",
    );
  return known;
}

function toCall({ token, name, args, idempotencyKey, signal }: ChargeableCall): Call {
  let known: Fingerprint | undefined;
  // Made when first asked for: most calls do not need it.
  const read = () => (known ??= fingerprint("call", name, args));
  return {
    kind: "call",
    name,
    args,
    token,
    tokenHash: hashToken(token ?? ""),
    signal,
    agentKey: readAgentKey(idempotencyKey),
    madeOf: undefined,
    continues: false,
    binding: () => read().digest,
    opaque: () => read().opaque,
    round: () => "",
  };
}
