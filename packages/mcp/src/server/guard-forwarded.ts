import type { Caller, Receipt } from "@licentric/paywall/adapter";
import { property, stringProperty } from "@licentric/paywall/adapter";
import { guardRequest, type Serving } from "./guard-request.ts";
import type { RequestHandler } from "./request-handler.ts";
import type { ServerPlan } from "./server-plan.ts";

/** A JSON-RPC request to a server of another process. */
export interface GuardedRequest {
  /** The id of the request in its connection. */
  readonly id: string | number;
  readonly method: string;
  /** The request's `params`, as they were parsed. */
  readonly params: unknown;
  /** The agent's token, `AGT-…`; undefined where none came. */
  readonly token: string | undefined;
  /** Aborts when nobody waits for the response any more. Each request needs a signal of its own. */
  readonly signal: AbortSignal;
  /**
   * Returns a result of `tools/list`, so that a call whose arguments the server will not take is not billed before it
   * says so. Without it, calls are billed when they have brought a result.
   */
  readonly listTools?: (() => Promise<unknown>) | undefined;
  /**
   * Names where the ids of tasks are unique, if that is not the whole server: one of its processes, a session. Tasks of one
   * scope are not known in another.
   */
  readonly taskScope?: string | undefined;
  /** Is told what the request was billed, before {@link RequestGuard.handle} returns or throws; not called where it was not. */
  readonly onBilled?: ((receipt: Receipt) => void) | undefined;
}

/**
 * Sends a request to its server.
 *
 * @param caller - the agent that was authorized for it; undefined where it needed nobody's authorization
 * @returns the `result` of the response
 * @throws what becomes of a response that is an error, or of none: it passes through unchanged
 */
export type ForwardRequest = (caller: Caller | undefined) => Promise<unknown>;

/** Charges for the requests to a server of another process. Made by {@link createRequestGuard}. */
export interface RequestGuard {
  /**
   * Sends a request on where it may go, and settles what it costs by its response, once.
   *
   * @returns the result to answer: the very value that `forward` returned where nothing was added to it
   * @throws RefusedRequestError where the request was refused; an error with a JSON-RPC `code` where it is malformed; what
   *   `forward` throws; the signal's reason where it was cancelled and not billed
   */
  handle(request: GuardedRequest, forward: ForwardRequest): Promise<unknown>;
}

/** Makes the guard of requests that are sent on to a server of another process. */
export function guardForwarded(plan: ServerPlan, validator: unknown): RequestGuard {
  return {
    async handle(request, forward) {
      const context = contextOf(request);
      const { method, params, listTools, taskScope, onBilled } = request;
      const run: RequestHandler = () => forward(plan.handlerCharges.callsOf(context).at(-1)?.caller);
      const serving: Serving = {
        builtIn: undefined,
        plan: taskScope === undefined ? plan : { ...plan, tasks: plan.tasks.within(taskScope) },
        listTools: listTools && (() => listTools()),
        isElsewhere: true,
        transport: () => undefined,
        validator: () => validator,
        onBilled,
      };
      const guarded = guardRequest(method, run, serving, true) ?? run;
      return guarded({ jsonrpc: "2.0", id: request.id, method, params }, context);
    },
  };
}

/** `_meta` key that every request has since protocol 2026-07-28. */
const VERSION_META_KEY = "io.modelcontextprotocol/protocolVersion";

/** The context that SDK v2 would make of a request which came over HTTP: no token is looked for in the environment. */
function contextOf({ id, params, token, signal }: GuardedRequest): unknown {
  const meta = property(params, "_meta");
  const isModern = stringProperty(meta, VERSION_META_KEY) !== undefined;
  return {
    sessionId: undefined,
    http: { authInfo: token === undefined ? undefined : { token } },
    mcpReq: {
      id,
      signal,
      _meta: meta,
      envelope: isModern ? meta : undefined,
      inputResponses: property(params, "inputResponses"),
      requestState: () => property(params, "requestState"),
      send: unavailable,
      notify: unavailable,
    },
  };
}

/** Nothing of the server's own runs here, so nothing asks the client. */
function unavailable(): never {
  throw new TypeError("a request to a server of another process is answered by that server alone");
}
