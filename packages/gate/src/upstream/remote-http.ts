import type { IncomingHttpHeaders } from "node:http";
import { Agent, type Dispatcher, EnvHttpProxyAgent } from "undici";
import type { Origin, RemoteUpstream } from "../exchange.ts";
import type { Limits } from "../limits.ts";
import { isLoopback } from "../loopback.ts";
import { UpstreamError } from "./upstream-error.ts";

/** One HTTP request to a remote upstream. */
export interface RemoteRequest {
  readonly method: "POST" | "GET" | "DELETE";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An HTTP response of a remote upstream. */
export interface RemoteResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Dispatcher.ResponseData["body"];
}

/** The HTTP of a remote upstream. */
export interface RemoteHttp {
  /** Sends a request; its response has begun. @throws UpstreamError where the upstream cannot be reached; the signal's reason */
  send(request: RemoteRequest): Promise<RemoteResponse>;
  close(): Promise<void>;
}

/** Connections at most: each open stream takes one. */
const MAX_CONNECTIONS = 4_096;

/** Opens the HTTP of a remote upstream, which is told to be away once until it is back, through the proxy that the environment names. Time limits are the caller's. */
export function openRemoteHttp(
  { url, headers: own = {} }: RemoteUpstream,
  { connectTimeout }: Limits,
  say: (sentence: string) => void,
): RemoteHttp {
  let isAway = false;
  const { hostname } = new URL(url);
  const options = { connections: MAX_CONNECTIONS, headersTimeout: 0, bodyTimeout: 0, connectTimeout };
  const dispatcher = isLoopback(hostname) ? new Agent(options) : new EnvHttpProxyAgent(options);
  const owners = Object.fromEntries(Object.entries(own).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    async send({ method, headers, body, signal }) {
      try {
        const { origin, pathname, search } = new URL(url);
        const response = await dispatcher.request({
          origin,
          path: pathname + search,
          method,
          headers: { ...headers, ...owners },
          body: body ?? null,
          signal: signal ?? null,
        });
        isAway = false;
        return { status: response.statusCode, headers: response.headers, body: response.body };
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (!isAway)
          say(
            `the upstream cannot be reached (${codeOf(error)}): until it can, requests are answered with an error`,
          );
        isAway = true;
        throw new UpstreamError(`The MCP server behind this gate cannot be reached (${codeOf(error)}).`);
      }
    },
    close: () => dispatcher.destroy(),
  };
}

/** Returns the code of a network error, which tells no address. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  const inner = error instanceof AggregateError ? error.errors[0] : error;
  return inner instanceof Error && "code" in inner && typeof inner.code === "string"
    ? inner.code
    : error.name;
}

/** Headers of a client that go on to the upstream, beside all of MCP's own. */
const PASSED = new Set(["traceparent", "tracestate", "baggage"]);

/** Returns the headers of a client that go on: MCP's, but neither its token nor its session. */
export function passedHeaders(headers: Origin["headers"]): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const isOfMcp = name.startsWith("mcp-") && name !== "mcp-session-id";
    if (typeof value === "string" && (isOfMcp || PASSED.has(name))) passed[name] = value;
  }
  return passed;
}

/**
 * Reads a whole body.
 *
 * @throws UpstreamError where it is larger than `maxBytes`
 */
export async function readWhole({ body }: RemoteResponse, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > maxBytes) {
      body.destroy();
      throw tooLarge(maxBytes);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** Returns the error for a message beyond the limit. */
export function tooLarge(maxBytes: number): UpstreamError {
  return new UpstreamError(
    `The response of the MCP server behind this gate is larger than ${maxBytes} bytes, and was dropped.`,
  );
}

/** Returns the media type of a response, in lower case. */
export function mediaTypeOf({ headers }: RemoteResponse): string {
  return (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** Drops a body that nobody reads. */
export function dropBody({ body }: RemoteResponse): void {
  body.on("error", () => {});
  body.dump().catch(() => {});
}
