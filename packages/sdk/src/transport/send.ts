import type { Answer } from "../answer.ts";
import { TimeoutError } from "../errors.ts";
import { abortError, connectionError } from "./connection-error.ts";
import type { Transport, TransportRequest } from "./transport.ts";

/** One try of a request. */
export interface Try extends TransportRequest {
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
export async function send(transport: Transport, request: Try): Promise<TextAnswer> {
  const { signal, timeout, maxBytes, ...sent } = request;
  if (signal?.aborted) throw abortError(signal);
  const controller = new AbortController();
  // One timer for connecting, headers and body together.
  const timer = setTimeout(() => controller.abort(), Math.ceil(timeout));
  const onAbort = () => controller.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    // A `fetch` of the user's own may not heed its signal.
    const answer = await Promise.race([
      exchange(transport, sent, maxBytes, controller.signal),
      rejectWhenAborted(controller.signal),
    ]);
    if (answer.cutOffAt !== undefined) controller.abort();
    return answer;
  } catch (error) {
    if (signal?.aborted) throw abortError(signal);
    const what = `${request.method} ${request.origin}`;
    if (controller.signal.aborted) {
      throw new TimeoutError(`${what}: no complete answer within ${Math.ceil(timeout)} ms.`, {
        code: "ETIMEDOUT",
        cause: error,
      });
    }
    throw connectionError(what, error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

async function exchange(
  transport: Transport,
  request: TransportRequest,
  maxBytes: number,
  signal: AbortSignal,
): Promise<TextAnswer> {
  const { status, headers, body } = await transport.request(request, signal);
  return { status, headers, ...(await readText(body, maxBytes)) };
}

const rejectWhenAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));

async function readText(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<Pick<TextAnswer, "text" | "cutOffAt">> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    // Leaving the loop closes the body, and its connection with it.
    if (bytes > maxBytes) return { text: textOf(chunks, Math.min(bytes, BEGINNING)), cutOffAt: maxBytes };
  }
  return { text: textOf(chunks, bytes) };
}

function textOf(chunks: readonly Uint8Array[], length: number): string {
  const bytes = new Uint8Array(length);
  let end = 0;
  for (const chunk of chunks) {
    const part = chunk.subarray(0, length - end);
    bytes.set(part, end);
    end += part.length;
  }
  return new TextDecoder().decode(bytes);
}
