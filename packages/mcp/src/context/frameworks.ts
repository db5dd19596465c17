import { hasFunctions, isRecord, property, stringProperty } from "@licentric/paywall/adapter";

/** The parts of a request that a framework's own context tells. */
export interface FrameworkContext {
  /** The context of the official SDK in it; undefined where it has none. */
  readonly sdkContext: unknown;
  /** The token that the framework's own authentication has accepted. */
  readonly authToken: string | undefined;
  /** The headers of the request, where the framework keeps them. */
  readonly headers: unknown;
}

/**
 * Reads the context that a known framework hands to its handlers: Mastra, mcp-nest, FastMCP, mcp-lite. Each is
 * recognised by several functions, so that it cannot have come off the wire and another framework is not taken for it.
 */
export function readFramework(context: unknown): FrameworkContext | undefined {
  if (!isRecord(context)) return undefined;
  return readMastra(context) ?? readMcpNest(context) ?? readFastMcp(context) ?? readMcpLite(context);
}

type Context = Readonly<Record<PropertyKey, unknown>>;

/** `{ requestContext, mcp: { extra, elicitation, … }, … }`, where `extra` is made of the SDK's own context. */
function readMastra(context: Context): FrameworkContext | undefined {
  const extra = property(context["mcp"], "extra");
  const elicit = property(property(context["mcp"], "elicitation"), "sendRequest");
  if (!("requestContext" in context) || typeof elicit !== "function") return undefined;
  return hasFunctions(extra, "sendNotification", "sendRequest") ? madeOf(extra) : undefined;
}

/** A NestJS `McpContext`, whose fifth argument is the SDK's own context. */
function readMcpNest(context: Context): FrameworkContext | undefined {
  if (!hasFunctions(context, "getArgByIndex", "getRawRequest", "getSession", "reportProgress"))
    return undefined;
  const sdkContext = property(context["args"], 4);
  return isRecord(property(sdkContext, "mcpReq")) ? madeOf(sdkContext) : undefined;
}

/** `{ session, log, elicit, … }`, where `session` is what the owner's `authenticate` returned. */
function readFastMcp(context: Context): FrameworkContext | undefined {
  const isFastMcp =
    "session" in context &&
    hasFunctions(context, "elicit", "reportProgress", "streamContent") &&
    hasFunctions(context["log"], "debug", "error", "info", "warn");
  if (!isFastMcp) return undefined;
  const { session } = context;
  return {
    sdkContext: undefined,
    // Of the owner's own, or of FastMCP's OAuth.
    authToken: stringProperty(session, "token") ?? stringProperty(session, "accessToken"),
    headers: property(session, "headers"),
  };
}

/** `{ request, authInfo, env, state, validate, elicit, … }`, where `authInfo` is what `httpHandler` was given. */
function readMcpLite(context: Context): FrameworkContext | undefined {
  const isMcpLite =
    ["request", "authInfo", "env", "state"].every((key) => key in context) &&
    hasFunctions(context, "validate", "elicit", "sample");
  if (!isMcpLite) return undefined;
  return {
    sdkContext: undefined,
    authToken: stringProperty(context["authInfo"], "token"),
    headers: undefined,
  };
}

function madeOf(sdkContext: unknown): FrameworkContext {
  return { sdkContext, authToken: undefined, headers: undefined };
}
