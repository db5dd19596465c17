import type { Gate } from "../charging/gate.ts";
import { outcomeOf } from "../charging/gate.ts";
import type { RequestScope } from "../charging/passages.ts";
import { type Refusal, RefusedError, toToolResult } from "../refusal.ts";
import { isRecord, member, textMember } from "../util/record.ts";
import { annotateTools } from "./list-tools.ts";
import { noteTransport } from "./local-calls.ts";
import { notGuardable } from "./not-guardable.ts";
import type { BuiltIn } from "./protect-registry.ts";
import { signalIn } from "./request-context.ts";
import type { ServerPlan } from "./server-plan.ts";

/** A request handler as the SDKs keep it: it gets the whole JSON-RPC request. */
export type RequestHandler = (request: unknown, context: unknown) => unknown;

/** The requests that are charged for, with the parameter that names what is asked for. */
const CHARGED = {
  "tools/call": { kind: "tool", parameter: "name" },
  "prompts/get": { kind: "prompt", parameter: "name" },
  "resources/read": { kind: "resource", parameter: "uri" },
} as const;

/**
 * Guards a low-level server's requests, those installed already and those that will be. Around the handlers that an
 * `McpServer` installs, the guards sit at what is registered, behind the SDK's checks of name and arguments, and only
 * settling happens here, behind its checks of the result. Any other handler is the owner's own and is guarded here.
 */
export function guardRequests(
  server: Record<PropertyKey, unknown>,
  handlers: Map<unknown, unknown>,
  builtIn: BuiltIn | undefined,
  plan: ServerPlan,
): void {
  const wrap = (method: unknown, handler: unknown, isBuiltIn: (kind: Gate["kind"]) => boolean): unknown => {
    if (typeof handler !== "function") throw notGuardable(`its handler of ${String(method)} is no function`);
    const run: RequestHandler = (request, context) => Reflect.apply(handler, server, [request, context]);
    if (method === "tools/list") return annotateTools(run, plan, builtIn);
    if (!isCharged(method)) return handler;
    const { kind } = CHARGED[method];
    const guarded = isBuiltIn(kind) ? settleAround(method, run, plan) : guardOwn(method, run, plan);
    const noted: RequestHandler = (request, context) => {
      noteTransport(signalIn(context), server["transport"]);
      return guarded(request, context);
    };
    if (isBuiltIn(kind)) return noted;
    // Both SDKs reject a malformed call before any handler sees it: it is not billed, and the error is theirs.
    return (request: unknown, context: unknown) =>
      method === "tools/call" && isMalformedCall(request) ? run(request, context) : noted(request, context);
  };
  for (const [method, handler] of handlers) {
    handlers.set(
      method,
      wrap(method, handler, (kind) => builtIn !== undefined && wasBuiltIn(method, kind, handler, builtIn)),
    );
  }
  const set = handlers.set.bind(handlers);
  Object.defineProperty(handlers, "set", {
    configurable: false,
    value: (method: unknown, handler: unknown) =>
      set(
        method,
        wrap(method, handler, (kind) => builtIn?.installing(kind) ?? false),
      ),
  });
  guardFallback(server, plan);
}

/** A handler for requests that no other handler takes can serve tools, too. */
function guardFallback(server: Record<PropertyKey, unknown>, plan: ServerPlan): void {
  let fallback = server["fallbackRequestHandler"];
  let guarded: unknown;
  const guard = () => {
    if (typeof fallback !== "function") return fallback;
    const original = fallback;
    const run: RequestHandler = (request, context) => Reflect.apply(original, server, [request, context]);
    return (request: unknown, context: unknown) => {
      const method = textMember(request, "method");
      if (method === "tools/list") return annotateTools(run, plan)(request, context);
      return isCharged(method) ? guardOwn(method, run, plan)(request, context) : run(request, context);
    };
  };
  guarded = guard();
  Object.defineProperty(server, "fallbackRequestHandler", {
    configurable: false,
    enumerable: true,
    get: () => guarded,
    set(next: unknown) {
      if (next === guarded) return;
      fallback = next;
      guarded = guard();
    },
  });
}

function isMalformedCall(request: unknown): boolean {
  const params = member(request, "params");
  const args = member(params, "arguments");
  return (
    textMember(params, "name") === undefined ||
    (args !== undefined && (!isRecord(args) || Array.isArray(args)))
  );
}

function isCharged(method: unknown): method is keyof typeof CHARGED {
  return typeof method === "string" && Object.hasOwn(CHARGED, method);
}

/**
 * Whether a handler that was there before is the one that the `McpServer` installed: it looks names up in the
 * server's registry. Asked with a name that nothing has, which a handler of the owner's answers as an unknown one.
 */
function wasBuiltIn(method: unknown, kind: Gate["kind"], handler: unknown, builtIn: BuiltIn): boolean {
  if (!isCharged(method) || typeof handler !== "function" || !builtIn.installed(kind)) return false;
  const name = `licentric-probe:${crypto.randomUUID()}`;
  const { signal } = new AbortController();
  const request = {
    jsonrpc: "2.0",
    id: name,
    method,
    params: { [CHARGED[method].parameter]: name, arguments: {} },
  };
  const context = {
    signal,
    requestId: name,
    mcpReq: { id: name, method, signal, requestState: () => undefined },
  };
  return builtIn.looksUp(kind, name, () => {
    // It answers "not found", which nobody is waiting for.
    Promise.resolve(Reflect.apply(handler, undefined, [request, context])).catch(() => undefined);
  });
}

/** Settles what ran inside of a request by the answer that the client gets. */
function settleAround(method: keyof typeof CHARGED, run: RequestHandler, plan: ServerPlan): RequestHandler {
  return (request, context) => {
    const scope: RequestScope = {
      name: textMember(member(request, "params"), CHARGED[method].parameter),
      sentArgs: sentArgsOf(request),
      pending: new Map(),
      refusal: undefined,
      charged: false,
    };
    return plan.passages.within(context, scope, () => settled(request, context, scope));
  };

  async function settled(request: unknown, context: unknown, scope: RequestScope): Promise<unknown> {
    let final: unknown;
    try {
      final = await run(request, context);
    } catch (error) {
      for (const pending of scope.pending.values()) await pending.settle({ status: "failed" });
      // What a refusal became on its way through the SDK's handler says less than the refusal itself.
      throw scope.refusal === undefined ? error : new RefusedError(scope.refusal);
    }
    if (scope.refusal !== undefined) return answer(request, scope.refusal, plan);
    for (const { settle, result } of scope.pending.values()) {
      const refusal = await settle(outcomeOf(final, result));
      if (refusal !== undefined) return answer(request, refusal, plan);
    }
    return final;
  }
}

/** Guards a request handler of the owner's own: it is all there is. */
function guardOwn(method: keyof typeof CHARGED, run: RequestHandler, plan: ServerPlan): RequestHandler {
  const { kind, parameter } = CHARGED[method];
  return async (request, context) => {
    const params = member(request, "params");
    const name = textMember(params, parameter);
    // The owner's code may read a name where the paywall sees none: ["forecast"] finds a tool as "forecast" does.
    if (name === undefined) throw invalidParams(`${method} needs a ${parameter} that is a text`);
    const policy = plan.policyFor(kind, [name]);
    if (policy === false) return run(request, context);
    const gate: Gate = { kind, name, id: `${kind} ${name}`, policy };
    const args = kind === "resource" ? name : (member(params, "arguments") ?? {});
    const passage = await plan.passages.pass(gate, args, context, () => run(request, context));
    return "result" in passage ? passage.result : answer(request, passage.refusal, plan);
  };
}

/** The JSON-RPC error of a request that cannot be understood. */
function invalidParams(message: string): Error {
  return Object.assign(new Error(message), { code: -32_602 });
}

/** A refusal in the form that this request's client can take. */
function answer(request: unknown, refusal: Refusal, plan: ServerPlan): unknown {
  const params = member(request, "params");
  const isTask = isRecord(params) && params["task"] !== undefined;
  if (textMember(request, "method") !== "tools/call" || plan.refusals === "error" || isTask)
    throw new RefusedError(refusal);
  return toToolResult(refusal);
}

function sentArgsOf(request: unknown): unknown {
  return member(member(request, "params"), "arguments");
}
