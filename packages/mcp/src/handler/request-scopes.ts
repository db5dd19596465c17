import { AsyncLocalStorage } from "node:async_hooks";
import { digest } from "@licentric/paywall/adapter";
import { type RequestContext, readRequestContext } from "../context/request-context.ts";
import type { Asked, RequestScope, ServedTarget } from "./request-scope.ts";

/** Knows the scope of each request. */
export interface RequestScopes {
  /** Runs a request in a scope of its own, which whoever opens it ends before `run` does. */
  within<Value>(context: unknown, scope: RequestScope, run: () => Promise<Value>): Promise<Value>;
  /** Returns the scope that runs in the time of a request, where it has the same id; a wrapper of a handler may leave the id out. */
  around(request: RequestContext): RequestScope | undefined;
  /** Returns the scope that the call of a target runs in. */
  find(request: RequestContext, target: ServedTarget, args: unknown): RequestScope | undefined;
  /**
   * Returns whether a request is in its scope already: something wraps a guarded handler, and is guarded itself. Then it
   * is for the outermost to settle.
   */
  isWithin(context: unknown, request: Omit<Asked, "sentArgs">): boolean;
  /** Returns whether a signal is known to be of another request: one that nobody knows may be made of the first one. */
  isOfAnother(signal: AbortSignal, first: AbortSignal | undefined): boolean;
}

/** Makes the request scopes of one paywall. */
export function createRequestScopes(): RequestScopes {
  // By request: each has an abort signal of its own, which no client can choose and SDKs keep when they copy.
  const scopes = new WeakMap<AbortSignal, RequestScope>();
  // A wrapper of a handler may hand it a context with another signal, and runs it in its own time all the same.
  const time = new AsyncLocalStorage<{ readonly scope: RequestScope; readonly requestId: unknown }>();

  function around({ requestId }: RequestContext): RequestScope | undefined {
    const outer = time.getStore();
    return requestId === undefined || outer?.requestId === requestId ? outer?.scope : undefined;
  }

  return {
    around,
    async within(context, scope, run) {
      const { signal, requestId } = readRequestContext(context);
      if (signal !== undefined) scopes.set(signal, scope);
      try {
        return await time.run({ scope, requestId }, run);
      } finally {
        scope.isOver = true;
      }
    },
    find(request, target, args) {
      const { signal } = request;
      const own = signal && scopes.get(signal);
      if (own !== undefined) return own;
      const outer = around(request);
      // A client may choose the same id for another call: only what was asked for is known to be the same one.
      if (outer === undefined || !isAskedFor(target, outer, args)) return undefined;
      if (signal !== undefined) scopes.set(signal, outer);
      return outer;
    },
    isWithin(context, { server, kind, name }) {
      const request = readRequestContext(context);
      const { signal } = request;
      const scope = (signal && scopes.get(signal)) ?? around(request);
      if (scope === undefined || scope.isOver) return false;
      if (scope.server !== server || scope.kind !== kind || scope.name !== name) return false;
      if (signal !== undefined) scopes.set(signal, scope);
      return true;
    },
    isOfAnother(signal, first) {
      const scope = scopes.get(signal);
      return scope !== undefined && scope !== (first && scopes.get(first));
    },
  };
}

/** Returns whether a target is what a request asked for. */
export function isAskedFor(target: ServedTarget, scope: RequestScope, args: unknown): boolean {
  const { kind, name, running, isOver } = scope;
  if (isOver || target.serves === undefined || target.kind !== kind || target.name !== name) return false;
  if (running === undefined) return true;
  if (running.target.serves !== target.serves) return false;
  // A call that costs nothing with its own arguments pays for no others: the handler has called itself.
  return running.call.isBilled || isSameArgs(running.args, args);
}

function isSameArgs(before: unknown, now: unknown): boolean {
  return before === now || digest(before) === digest(now);
}
