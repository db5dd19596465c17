import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpFrontOptions } from "../exchange.ts";
import { isLoopback } from "../loopback.ts";

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Makes the check that keeps web pages out: a page whose name is made to point at this machine sends its own `Host` and
 * `Origin`. Returns what is wrong with a request, or undefined.
 */
export function createGuard({ host = "127.0.0.1", allowedHosts, allowedOrigins }: HttpFrontOptions) {
  const hosts = allowedHosts ?? (isLoopback(host) ? [...LOOPBACK, host] : undefined);
  const known = hosts === undefined ? undefined : new Set(hosts.map((name) => name.toLowerCase()));
  const origins = allowedOrigins === undefined ? undefined : new Set(allowedOrigins);
  return ({ headers }: IncomingMessage): string | undefined => {
    const sent = (headers.host ?? "").toLowerCase();
    if (known !== undefined && !known.has(sent.replace(/:\d+$/, "")))
      return `Requests for the host ${JSON.stringify(sent)} are not let in (allowedHosts).`;
    const { origin } = headers;
    if (origin === undefined) return undefined;
    const isAllowed = origins === undefined ? isLoopbackOrigin(origin) : origins.has(origin);
    return isAllowed ? undefined : `Requests from ${JSON.stringify(origin)} are not let in (allowedOrigins).`;
  };
}

function isLoopbackOrigin(origin: string): boolean {
  return URL.canParse(origin) && isLoopback(new URL(origin).hostname);
}

/** Lets a page of an allowed origin read the response. */
export function allowOrigin({ headers: { origin } }: IncomingMessage, response: ServerResponse): void {
  if (origin === undefined) return;
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", "mcp-session-id, www-authenticate");
  response.setHeader("vary", "origin");
}

/** Answers the question of a browser whether a page may send what it is about to send. */
export function answerPreflight({ headers }: IncomingMessage, response: ServerResponse): void {
  response
    .writeHead(204, {
      "access-control-allow-methods": "GET, POST, DELETE",
      "access-control-allow-headers": headers["access-control-request-headers"] ?? "content-type",
      "access-control-max-age": "600",
    })
    .end();
}
