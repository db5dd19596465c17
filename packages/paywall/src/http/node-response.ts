import type { ServerResponse } from "node:http";
import { WHOLE_BODY_SIZE, WholeResponse } from "./whole-response.ts";

/** How a response ended: by its handler, or by its client, before or after its head was sent. */
export type ResponseEnd = "ended" | "client gone" | "client gone unanswered";

/** A response whose end waits until the request is settled. */
export interface HeldResponse {
  /** Resolves when the handler ends the response, or the client goes. */
  readonly ended: Promise<ResponseEnd>;
  /** Resolves when the handler ends the response, whatever the client does. */
  readonly handlerEnded: Promise<void>;
  /** The whole of what the handler answered, where nothing of it was sent before. */
  whole(): WholeResponse | undefined;
  /** Sends what is held back. */
  release(): void;
  /** Sends another response in place of what is held back; closes the connection where the head is sent already. */
  replace(response: WholeResponse): void;
}

type End = ServerResponse["end"];

/** Holds the end of a response back: what its handler passes to `end` is sent by {@link HeldResponse.release}. */
export function holdEnd(response: ServerResponse): HeldResponse {
  const end: End = response.end;
  let held: Parameters<End> | undefined;
  let tell: (end: ResponseEnd) => void = () => undefined;
  const ended = new Promise<ResponseEnd>((resolve) => {
    tell = resolve;
  });
  let tellHandlerEnded: () => void = () => undefined;
  const handlerEnded = new Promise<void>((resolve) => {
    tellHandlerEnded = resolve;
  });
  response.once("close", () => tell(response.headersSent ? "client gone" : "client gone unanswered"));
  response.end = ((...args: Parameters<End>) => {
    // As in a response that has ended: whatever comes after the first is ignored.
    if (held === undefined) {
      held = args;
      tell("ended");
      tellHandlerEnded();
    }
    return response;
  }) as End;
  const send = (...args: Parameters<End>) => {
    response.end = end;
    response.end(...args);
  };
  return {
    ended,
    handlerEnded,
    whole: () => (held === undefined || response.headersSent ? undefined : wholeOf(response, held)),
    release: () => send(...(held ?? ([] as unknown as Parameters<End>))),
    replace(other) {
      if (response.headersSent) {
        response.destroy();
        return;
      }
      // What described the other body; what the server says of itself, such as for other origins, stays.
      for (const name of response.getHeaderNames())
        if (/^(content-|etag$|last-modified$|cache-control$|transfer-encoding$)/.test(name))
          response.removeHeader(name);
      response.end = end;
      sendWhole(response, other);
    },
  };
}

/** Sends a whole response. */
export function sendWhole(
  response: ServerResponse,
  { status, statusText, headers, body }: WholeResponse,
): void {
  response.statusCode = status;
  response.statusMessage = statusText;
  const values = new Map<string, string[]>();
  for (const [name, value] of headers) values.set(name, [...(values.get(name) ?? []), value]);
  for (const [name, [first = "", ...others]] of values)
    response.setHeader(name, others.length === 0 ? first : [first, ...others]);
  response.end(body ?? undefined);
}

function wholeOf(response: ServerResponse, [chunk, encoding]: Parameters<End>): WholeResponse | undefined {
  const body = bytesOf(chunk, encoding);
  if (body === undefined || (body?.byteLength ?? 0) > WHOLE_BODY_SIZE) return undefined;
  const headers = Object.entries(response.getHeaders()).flatMap(([name, value]) =>
    [value ?? []].flat().map((each) => [name, String(each)] as const),
  );
  const { statusCode, statusMessage } = response;
  return new WholeResponse({ status: statusCode, statusText: statusMessage ?? "", headers }, body);
}

/** The bytes that `end` was given; null where it was given none, undefined where it was given what is no body. */
function bytesOf(chunk: unknown, encoding: unknown): Uint8Array<ArrayBuffer> | null | undefined {
  if (chunk === undefined || chunk === null || typeof chunk === "function") return null;
  if (typeof chunk === "string")
    return Uint8Array.from(
      Buffer.from(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8"),
    );
  return chunk instanceof Uint8Array ? Uint8Array.from(chunk) : undefined;
}
