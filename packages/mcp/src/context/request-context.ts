import type { CredentialRequest } from "@licentric/paywall/adapter";
import { hasFunctions, isRecord, property, stringProperty } from "@licentric/paywall/adapter";
import { type FrameworkContext, readFramework } from "./frameworks.ts";
import { isKnownLocal } from "./local-calls.ts";

/** The parts of a handler's context that the paywall reads: v1's `extra` or v2's `ctx`. */
export interface RequestContext extends CredentialRequest {
  /** Names the request inside its process: every request has a signal of its own, and no client can choose it. */
  readonly signal: AbortSignal | undefined;
  /** The JSON-RPC id, which names the request inside its connection alone. */
  readonly requestId: unknown;
  /** The client's response in a call of several rounds; undefined in a first round. */
  readonly continuation: unknown;
}

/**
 * The context among a handler's parameters: the last one, unless it could have come off the wire. Frameworks call
 * handlers with arguments alone, or with `_meta` behind them, and a client can write `authInfo` into either.
 */
export function contextOf(params: readonly unknown[]): unknown {
  const last = params.at(-1);
  return cannotBeSent(last) || frameworkOf(last) !== undefined ? last : undefined;
}

/** The arguments among a handler's parameters: the first one, where it is not the context. */
export function argsOf(params: readonly unknown[]): unknown {
  return params.length > 1 || contextOf(params) === undefined ? params[0] : undefined;
}

/** JSON has neither signals nor functions, and every context of an SDK or a framework has one or the other. */
function cannotBeSent(value: unknown): boolean {
  if (!isRecord(value)) return false;
  if (signalIn(value) !== undefined) return true;
  // By descriptor: a getter of a context may not want to be read yet.
  return Object.values(Object.getOwnPropertyDescriptors(value)).some(
    ({ value: own, get }) => typeof own === "function" || get !== undefined,
  );
}

/** Reads the context of a known framework, where it is not one of the official SDKs' own. */
function frameworkOf(context: unknown): FrameworkContext | undefined {
  if (isRecord(context) && ("mcpReq" in context || "sendNotification" in context)) return undefined;
  return readFramework(context);
}

/** The signal that names a context's request. */
export function signalIn(context: unknown): AbortSignal | undefined {
  const known = frameworkOf(context)?.sdkContext ?? context;
  return signalOf(property(known, "mcpReq")) ?? signalOf(known);
}

/**
 * Reads `extra` (SDK v1), `ctx` (SDK v2), or what a known framework makes of them. Anything else is a request that says
 * nothing of itself.
 */
export function readRequestContext(context: unknown): RequestContext {
  const framework = frameworkOf(context);
  const read = readSdkContext(framework?.sdkContext ?? context);
  if (framework === undefined) return { ...read, context };
  const header = framework.headers === undefined ? read.header : headerIn(framework.headers);
  return {
    ...read,
    context,
    isRecognized: true,
    header,
    authToken: read.authToken ?? framework.authToken,
    authorization: header("authorization"),
  };
}

type SdkContext = Omit<RequestContext, "context">;

function readSdkContext(context: unknown): SdkContext {
  const mcpReq = property(context, "mcpReq");
  return isRecord(mcpReq) ? readV2(context, mcpReq) : readV1(context);
}

/** Reads headers in whatever form: of the web, or Node's, by lower-case names with strings or lists. */
function headerIn(headers: unknown): (name: string) => string | undefined {
  return (name) => {
    if (headers instanceof Headers) return headers.get(name) ?? undefined;
    const value = property(headers, name.toLowerCase());
    const first = Array.isArray(value) ? value[0] : value;
    return typeof first === "string" ? first : undefined;
  };
}

function readV1(extra: unknown): SdkContext {
  const requestInfo = property(extra, "requestInfo");
  const header = headerIn(property(requestInfo, "headers"));
  const signal = signalOf(extra);
  const isSdks = signal !== undefined && hasFunctions(extra, "sendRequest", "sendNotification");
  return {
    signal,
    isRecognized: isSdks,
    authToken: stringProperty(property(extra, "authInfo"), "token"),
    authorization: header("authorization"),
    meta: property(extra, "_meta"),
    requestId: property(extra, "requestId"),
    // Never in v1's own, and always at the top in the contexts that frameworks make of v2's (xmcp, mcp-use).
    continuation: continuationOf(extra),
    header,
    isLocal: () => requestInfo === undefined && isSdks && isLocal(extra, "requestInfo", signal),
  };
}

function readV2(ctx: unknown, mcpReq: Record<PropertyKey, unknown>): SdkContext {
  const http = property(ctx, "http");
  const header = headerIn(property(property(http, "req"), "headers"));
  const signal = signalOf(mcpReq);
  const isSdks = signal !== undefined && hasFunctions(mcpReq, "send", "notify");
  return {
    signal,
    isRecognized: isSdks,
    authToken: stringProperty(property(http, "authInfo"), "token"),
    authorization: header("authorization"),
    meta: mcpReq["_meta"],
    requestId: mcpReq["id"],
    continuation: continuationOf(mcpReq),
    header,
    isLocal: () => http === undefined && isSdks && isLocal(ctx, "http", signal),
  };
}

function continuationOf(holder: unknown): unknown {
  const readState = property(holder, "requestState");
  const state: unknown = typeof readState === "function" ? Reflect.apply(readState, holder, []) : undefined;
  const responses = property(holder, "inputResponses");
  return state === undefined && responses === undefined ? undefined : { state, responses };
}

function signalOf(holder: unknown): AbortSignal | undefined {
  const signal = property(holder, "signal");
  return signal instanceof AbortSignal ? signal : undefined;
}

/**
 * Returns whether an official SDK made a context, which always says where it would tell of HTTP (`key`), and it is known to
 * be nobody else's. A framework's own context may just leave out what it does not know.
 */
function isLocal(context: unknown, key: string, signal: AbortSignal | undefined): boolean {
  return (
    signal !== undefined &&
    isRecord(context) &&
    key in context &&
    context["authInfo"] === undefined &&
    context["sessionId"] === undefined &&
    isKnownLocal(signal)
  );
}
