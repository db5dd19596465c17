import { isRecord, member, textMember } from "../util/record.ts";

/** What the paywall reads of a handler's last argument: v1's `extra` or v2's `ctx`. */
export interface RequestContext {
  /** Names the request inside its process: every request has a signal of its own, and no client can choose it. */
  readonly signal: AbortSignal | undefined;
  /** The token that the HTTP door has verified. */
  readonly authToken: string | undefined;
  /** The `Authorization` header. */
  readonly authorization: string | undefined;
  /** Neither HTTP nor a session: stdio, or in memory. */
  readonly local: boolean;
  readonly meta: unknown;
  /** The JSON-RPC id, which names the request inside its connection alone. */
  readonly requestId: unknown;
  /** What the client sent back in a call of several rounds; undefined in a first round. */
  readonly continuation: unknown;
  /** Any HTTP header, by name. */
  header(name: string): string | undefined;
}

/** Reads `extra` (SDK v1) or `ctx` (SDK v2). Anything else is a request that says nothing of itself. */
export function readRequestContext(context: unknown): RequestContext {
  const mcpReq = member(context, "mcpReq");
  return isRecord(mcpReq) ? readV2(context, mcpReq) : readV1(context);
}

function readV1(extra: unknown): RequestContext {
  const headers = member(member(extra, "requestInfo"), "headers");
  const header = (name: string) => {
    const value = member(headers, name.toLowerCase());
    const first = Array.isArray(value) ? value[0] : value;
    return typeof first === "string" ? first : undefined;
  };
  return {
    signal: signalOf(extra),
    authToken: textMember(member(extra, "authInfo"), "token"),
    authorization: header("authorization"),
    local: isLocal(extra, headers),
    meta: member(extra, "_meta"),
    requestId: member(extra, "requestId"),
    // Never in v1's own, and always at the top in the contexts that frameworks make of v2's (xmcp, mcp-use).
    continuation: continuationOf(extra),
    header,
  };
}

function readV2(ctx: unknown, mcpReq: Record<PropertyKey, unknown>): RequestContext {
  const http = member(ctx, "http");
  const headers = member(member(http, "req"), "headers");
  const header = (name: string) =>
    headers instanceof Headers ? (headers.get(name) ?? undefined) : undefined;
  return {
    signal: signalOf(mcpReq),
    authToken: textMember(member(http, "authInfo"), "token"),
    authorization: header("authorization"),
    local: isLocal(ctx, http),
    meta: mcpReq["_meta"],
    requestId: mcpReq["id"],
    continuation: continuationOf(mcpReq),
    header,
  };
}

function continuationOf(holder: unknown): unknown {
  const readState = member(holder, "requestState");
  const state: unknown = typeof readState === "function" ? Reflect.apply(readState, holder, []) : undefined;
  const responses = member(holder, "inputResponses");
  return state === undefined && responses === undefined ? undefined : { state, responses };
}

function signalOf(holder: unknown): AbortSignal | undefined {
  const signal = member(holder, "signal");
  return signal instanceof AbortSignal ? signal : undefined;
}

/** A transport of somebody's own may tell no headers and still serve strangers; a session gives it away. */
function isLocal(context: unknown, http: unknown): boolean {
  return (
    http === undefined &&
    member(context, "authInfo") === undefined &&
    member(context, "sessionId") === undefined
  );
}
