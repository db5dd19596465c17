import { stringProperty } from "@licentric/paywall/adapter";
import { guardRequest, type Serving } from "./guard-request.ts";
import { notGuardable } from "./not-guardable.ts";
import type { BuiltIn } from "./registered.ts";
import type { RequestHandler } from "./request-handler.ts";
import type { ServerPlan } from "./server-plan.ts";

/**
 * Guards a low-level server's requests, those installed already and those that will be. Around the handlers that an
 * `McpServer` is seen to install, the guards sit at what is registered, behind the SDK's checks of name and arguments,
 * and only settling happens here, behind its checks of the result. Any other handler may be the owner's own, and is
 * guarded here.
 */
export function guardRequests(
  server: Record<PropertyKey, unknown>,
  handlers: Map<unknown, unknown>,
  builtIn: BuiltIn | undefined,
  plan: ServerPlan,
): void {
  const serving: Serving = {
    builtIn,
    plan,
    listTools: undefined,
    isElsewhere: false,
    transport: () => server["transport"],
    validator: () => server["_jsonSchemaValidator"],
  };
  const wrap = (method: unknown, handler: unknown, isOwn: boolean): unknown => {
    if (typeof handler !== "function")
      throw notGuardable(`its handler of ${String(method)} is not a function`);
    const run: RequestHandler = (request, context) => Reflect.apply(handler, server, [request, context]);
    if (method === "tools/list") serving.listTools = run;
    return guardRequest(method, run, serving, isOwn) ?? handler;
  };
  // Nothing tells one that an `McpServer` had installed from one that replaced it, but calling it.
  const areOwn = builtIn === undefined;
  guardMap(handlers, (method, handler, isNew) => wrap(method, handler, isNew || areOwn));
  guardFallback(server, serving);
}

/**
 * Guards every handler in a map, those that are there and those that will be. Frameworks put a function of their own in
 * the place of the map's `set` (skybridge): whatever that stores is guarded as well.
 */
function guardMap(
  handlers: Map<unknown, unknown>,
  wrap: (method: unknown, handler: unknown, isNew: boolean) => unknown,
): void {
  const set = handlers.set.bind(handlers);
  const guarded = new Map<unknown, unknown>();
  const put = (method: unknown, handler: unknown, isNew: boolean) => {
    guarded.set(method, wrap(method, handler, isNew));
    return set(method, guarded.get(method));
  };
  for (const [method, handler] of handlers) put(method, handler, false);
  let current = (method: unknown, handler: unknown) => put(method, handler, true);
  Object.defineProperty(handlers, "set", {
    configurable: false,
    get: () => current,
    set(next: unknown) {
      if (typeof next !== "function") throw notGuardable("the set of its request handlers is not a function");
      current = (method, handler) => {
        Reflect.apply(next, handlers, [method, handler]);
        const stored = handlers.get(method);
        return stored === guarded.get(method) ? handlers : put(method, stored, true);
      };
    },
  });
}

/** A handler for requests that no other handler takes can serve tools, too. */
function guardFallback(server: Record<PropertyKey, unknown>, serving: Serving): void {
  let fallback = server["fallbackRequestHandler"];
  let guarded: unknown;
  const guard = () => {
    if (typeof fallback !== "function") return fallback;
    const original = fallback;
    const run: RequestHandler = (request, context) => Reflect.apply(original, server, [request, context]);
    return (request: unknown, context: unknown) =>
      (guardRequest(stringProperty(request, "method"), run, serving, true) ?? run)(request, context);
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
