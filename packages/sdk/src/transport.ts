import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import type { Answer } from "./answer.ts";
import { AbortError, ConnectionError, LicentricError, TimeoutError } from "./errors.ts";

/** One try of a request. */
export interface Try {
  readonly method: Dispatcher.HttpMethod;
  readonly origin: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
  /** Milliseconds to the last byte of the answer. */
  readonly timeout: number;
  /** Bytes of the answer's body that are read at most, as they are when decompressed. */
  readonly maxBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** An answer read to its end, or to where it was cut off. */
export interface TextAnswer extends Pick<Answer, "status" | "headers"> {
  /** The body; of one that is longer than may be read, its beginning. */
  readonly text: string;
  /** The limit that the body is longer than, in bytes; undefined where it was read to its end. */
  readonly cutOffAt?: number;
}

/** Bytes that are kept of a body that is too long: enough to show what it is. */
const BEGINNING = 20_000;

/**
 * Sends a request once and reads the answer, whatever its status, to its end or to `maxBytes`: then the connection is
 * closed.
 *
 * @throws AbortError where `signal` ended it
 * @throws TimeoutError where the answer was not complete in time
 * @throws ConnectionError where it did not come, or not whole
 */
export async function send(dispatcher: Dispatcher, request: Try): Promise<TextAnswer> {
  const { signal, timeout } = request;
  if (signal?.aborted) throw abortError(signal);
  const controller = new AbortController();
  // One timer for connecting, headers and body together: undici's own are per phase and coarse.
  const timer = setTimeout(() => controller.abort(), Math.ceil(timeout));
  const onAbort = () => controller.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const { statusCode, headers, body } = await dispatcher.request({
      origin: request.origin,
      path: request.path,
      method: request.method,
      headers: request.headers,
      body: request.body ?? null,
      signal: controller.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return { status: statusCode, headers, ...(await readText(body, request.maxBytes)) };
  } catch (error) {
    if (signal?.aborted) throw abortError(signal);
    const what = `${request.method} ${request.origin}`;
    if (controller.signal.aborted) {
      throw new TimeoutError(`${what}: no complete answer within ${Math.ceil(timeout)} ms.`, {
        code: "ETIMEDOUT",
        cause: error,
      });
    }
    // The system's or the dispatcher's own limit, which may be shorter.
    if (error instanceof Error && isTimeout(error)) {
      throw new TimeoutError(`${what}: ${error.message}.`, { code: "ETIMEDOUT", cause: error });
    }
    throw connectionError(what, error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

async function readText(body: Readable, maxBytes: number): Promise<Pick<TextAnswer, "text" | "cutOffAt">> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    // Leaving the loop destroys the body, and its connection with it.
    if (bytes > maxBytes) return { text: textOf(chunks, Math.min(bytes, BEGINNING)), cutOffAt: maxBytes };
  }
  return { text: textOf(chunks, bytes) };
}

const textOf = (chunks: readonly Buffer[], bytes: number): string =>
  new TextDecoder().decode(Buffer.concat(chunks, bytes));

/** What the caller gets whose `signal` fired. */
export function abortError(signal: AbortSignal): AbortError {
  return new AbortError("The request was aborted by its signal.", { cause: signal.reason });
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;

const isTimeout = (error: unknown): boolean => /TIMEOUT|ETIMEDOUT/.test(codeOf(error) ?? "");

/** Faults that are the same on every try: a certificate that is not trusted, a request that cannot be sent. */
const isPermanent = (code: string | undefined): boolean =>
  /CERT|SELF_SIGNED|UNABLE_TO_|^ERR_TLS|^ERR_SSL|^ERR_INVALID|^UND_ERR_NOT_SUPPORTED$/.test(code ?? "");

function connectionError(what: string, error: unknown): LicentricError {
  const code = codeOf(error);
  // undici keeps the bytes that it could not parse: an answer with a secret in it must not come out with an error.
  if (error instanceof Error && "data" in error) error.data = undefined;
  const fields = { code, cause: error };
  if (code === "UND_ERR_CLOSED" || code === "UND_ERR_DESTROYED") {
    return new LicentricError("The client is closed: make a new one to send more requests.", fields);
  }
  const said = error instanceof Error && error.message !== "" ? error.message : (code ?? "no answer");
  if (code?.startsWith("UND_ERR_INVALID_ARG")) {
    return new LicentricError(`${what}: the request cannot be sent: ${said}.`, fields);
  }
  const advice =
    code === "ECONNREFUSED" || code === "ENOTFOUND" ? " Is the API running, and is baseUrl right?" : "";
  return new ConnectionError(`${what}: the connection failed: ${said}.${advice}`, fields);
}

/** Whether another try may help after this failure to connect. */
export function isTransient(error: unknown): error is ConnectionError {
  return error instanceof ConnectionError && !isPermanent(error.code);
}
