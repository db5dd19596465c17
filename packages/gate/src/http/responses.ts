import { isUtf8 } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpAnswer } from "../exchange.ts";
import { errorText } from "../message/message.ts";

/** A request that is refused before a session hears of it. */
export class HttpRefusal extends Error {
  readonly status: number;
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    message: string,
    code = -32_000,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.name = "HttpRefusal";
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Sends a refusal as a JSON-RPC error. */
export function sendRefusal(response: ServerResponse, { status, code, message, headers }: HttpRefusal): void {
  sendAnswer(response, { status, headers, body: errorText("null", code, message) });
}

/** Sends a whole response, of JSON unless it says otherwise. */
export function sendAnswer(response: ServerResponse, { status, headers, body }: HttpAnswer): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
}

/** Begins a response of server-sent events. */
export function beginEvents(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-transform",
    // nginx would hold events back.
    "x-accel-buffering": "no",
    ...headers,
  });
  response.flushHeaders();
}

/**
 * Reads a body.
 *
 * @throws HttpRefusal where it is too large, or no UTF-8
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const tooLarge = () =>
    new HttpRefusal(413, `A request has at most ${maxBytes} bytes.`, -32_000, { connection: "close" });
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > maxBytes) throw tooLarge();
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  if (!isUtf8(body)) throw new HttpRefusal(400, "The body is not UTF-8.", -32_700);
  return body.toString("utf8");
}
