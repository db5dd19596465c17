import type { ClientRequest, ServerResponse } from "node:http";
import { withResolvers } from "../util/with-resolvers.ts";
import { WHOLE_BODY_SIZE, WholeResponse } from "./whole-response.ts";

/** The end of a response: by its handler, which may have broken it off, or by its client, before or after its head was sent. */
export type ResponseEnd = "ended" | "failed" | "client gone" | "client gone unanswered";

/** A response whose end waits until the request is settled. */
export interface DeferredResponse {
  /** Resolves when the handler ends the response, or the client goes. */
  readonly ended: Promise<ResponseEnd>;
  /** Resolves when the handler ends the response, whatever the client does. */
  readonly handlerEnded: Promise<void>;
  /** Returns whether the handler has ended the response. */
  isEnded(): boolean;
  /** Sets the head again that the response had when its handler ended it: error handlers may have come after. */
  restoreHead(): void;
  /** The whole of what the handler sent, where nothing of it was sent before. */
  whole(): WholeResponse | undefined;
  /** Sends the deferred end, with these headers where the head was not sent, and defers nothing any more. */
  release(headers?: WholeResponse["headers"]): void;
  /** Sends another response in place of the deferred one; closes the connection where the head is sent already. */
  replace(response: WholeResponse): void;
}

type End = ServerResponse["end"];

/**
 * Defers the end of a response, and its head until its body begins: what its handler passes to `end` is sent by
 * {@link DeferredResponse.release}.
 */
export function deferEnd(response: ServerResponse): DeferredResponse {
  const before = headOf(response);
  const { end, write } = response;
  let held: { readonly args: Parameters<End>; readonly head: Head } | undefined;
  const { promise: ended, resolve: tell } = withResolvers<ResponseEnd>();
  const { promise: handlerEnded, resolve: tellHandlerEnded } = withResolvers<void>();
  const isBroken = watchSocket(response);
  response.once("close", () => {
    if (!response.headersSent) tell("client gone unanswered");
    else tell(isBroken() ? "failed" : "client gone");
  });
  const sendHead = deferHead(response);
  watchDestroy(response, () => tell("failed"));
  // As in a response that has ended: whatever comes after the first end is ignored.
  response.end = ((...args: Parameters<End>) => {
    if (held === undefined) {
      held = { args, head: headOf(response) };
      tell("ended");
      tellHandlerEnded();
    }
    return response;
  }) as End;
  response.write = ((...args: Parameters<ServerResponse["write"]>) => {
    if (held !== undefined) return false;
    sendHead();
    return write.apply(response, args);
  }) as ServerResponse["write"];
  const letGo = () => {
    sendHead();
    Object.assign(response, { end, write });
  };
  const restoreHead = () => {
    if (held !== undefined) setHead(response, held.head);
  };
  return {
    ended,
    handlerEnded,
    isEnded: () => held !== undefined,
    restoreHead,
    whole: () => (held === undefined || response.headersSent ? undefined : wholeOf(response, held.args)),
    release(headers = []) {
      restoreHead();
      if (!response.headersSent) for (const [name, value] of headers) response.setHeader(name, value);
      letGo();
      if (held !== undefined) response.end(...held.args);
    },
    replace(other) {
      if (response.headersSent) {
        response.destroy();
        return;
      }
      // The handler's headers may be what has to be paid for; those that it found are the server's own.
      setHead(response, before);
      letGo();
      sendWhole(response, other);
    },
  };
}

/** Makes `writeHead` set the head, and send it only once the function that is returned was called. */
function deferHead(response: ServerResponse): () => void {
  const { writeHead, flushHeaders } = response;
  let isHeld = true;
  response.writeHead = ((...args: Parameters<ServerResponse["writeHead"]>) => {
    const [status, ...others] = args;
    // What is no status is refused by Node itself.
    if (!isHeld || !(status >= 100 && status < 1_000)) return writeHead.apply(response, args);
    const [reason, fields] = typeof others[0] === "string" ? others : [undefined, others.find(Boolean)];
    response.statusCode = Math.trunc(Number(status));
    if (typeof reason === "string") response.statusMessage = reason;
    setFields(response, fields);
    return response;
  }) as ServerResponse["writeHead"];
  response.flushHeaders = () => {
    isHeld = false;
    flushHeaders.call(response);
  };
  return () => {
    isHeld = false;
  };
}

/** Sets the headers that `writeHead` was given: an object, pairs, or names and values by turns. */
function setFields(response: ServerResponse, fields: unknown): void {
  if (!Array.isArray(fields)) {
    for (const [name, value] of Object.entries(fields ?? {})) response.setHeader(name, value);
    return;
  }
  const pairs = Array.isArray(fields[0])
    ? fields
    : fields.flatMap((name, index) => (index % 2 === 0 ? [[name, fields[index + 1]]] : []));
  for (const [name] of pairs) response.removeHeader(name);
  for (const [name, value] of pairs) response.appendHeader(name, value);
}

/** Tells where a handler breaks a response off by an error. That its client has gone is no error of the handler's. */
function watchDestroy(response: ServerResponse, failed: () => void): void {
  const { destroy } = response;
  response.destroy = (error) => {
    const { socket } = response;
    const isClientThere = socket !== null && !socket.destroyed && !socket.readableEnded;
    if (error !== undefined && error !== null && isClientThere) failed();
    return destroy.call(response, error);
  };
}

/**
 * Returns the function that says whether a connection was closed here, as Express does where a handler fails in the
 * middle of a body. A client that goes has ended its side or left an error; one that stops reading has timed out.
 */
function watchSocket(response: ServerResponse): () => boolean {
  const { socket } = response;
  if (socket === null) return () => false;
  let hasTimedOut = false;
  const onTimeout = () => {
    hasTimedOut = true;
  };
  socket.once("timeout", onTimeout);
  response.once("close", () => void socket.off("timeout", onTimeout));
  return () => socket.destroyed && !socket.readableEnded && !socket.errored && !hasTimedOut;
}

/** The head of a response. */
interface Head {
  readonly statusCode: number;
  readonly statusMessage: string;
  readonly fields: readonly (readonly [name: string, value: number | string | string[]])[];
}

function headOf(response: ServerResponse): Head {
  const { statusCode, statusMessage } = response;
  // Node's types know it of requests alone.
  const { getRawHeaderNames } = response as ServerResponse &
    Partial<Pick<ClientRequest, "getRawHeaderNames">>;
  const names = getRawHeaderNames?.call(response) ?? response.getHeaderNames();
  const fields = names.map((name) => [name, response.getHeader(name) ?? ""] as const);
  return { statusCode, statusMessage, fields };
}

function setHead(response: ServerResponse, { statusCode, statusMessage, fields }: Head): void {
  if (response.headersSent) return;
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  for (const [name, value] of fields) response.setHeader(name, value);
  Object.assign(response, { statusCode, statusMessage });
}

/** Headers as a whole response has them: several of one name beside each other. */
export function fieldsOf(
  headers: Readonly<Record<string, number | string | string[] | undefined>>,
): WholeResponse["headers"] {
  return Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each) => [name, String(each)] as const),
  );
}

/** A signal that aborts where the client goes before anything was sent to it. */
export function followResponse(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once("close", () => {
    if (!response.headersSent) controller.abort(new Error("the client has closed the connection"));
  });
  return controller.signal;
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
  const headers = fieldsOf(response.getHeaders());
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
