import type { RequestId, UpstreamResponse } from "../exchange.ts";
import {
  idKey,
  isObject,
  type Message,
  metaOf,
  type RequestMessage,
  type ResponseMessage,
} from "../message/message.ts";
import { cancelText } from "./cancellation.ts";
import { tooSlow, type UpstreamError } from "./upstream-error.ts";

/** A request that waits for its response. */
interface Pending {
  readonly progressToken: unknown;
  readonly resolve: (response: UpstreamResponse) => void;
  readonly reject: (error: unknown) => void;
  /** Begins its time anew. */
  readonly refresh: () => void;
}

/** Options of {@link PendingRequests.add}. */
export interface AddOptions {
  readonly signal: AbortSignal | undefined;
  /** Milliseconds for the response, begun anew by progress. */
  readonly timeout: number;
  /** Tells the upstream that nobody waits any more. Does not throw. */
  readonly cancel: (text: string) => void;
}

/** The requests of one connection that wait for their responses. */
export interface PendingRequests {
  /**
   * Waits for a request's response.
   *
   * @throws UpstreamError where none comes; the signal's reason
   */
  add(message: RequestMessage, options: AddOptions): Promise<UpstreamResponse>;
  /** Returns whether a response may come under an id: its request waits, or was cancelled and may be answered all the same. */
  has(id: RequestId): boolean;
  /** Gives a response to the request that waits for it; returns whether one does, or did until it was cancelled. */
  settle(response: ResponseMessage): boolean;
  /** Takes progress as a sign of life. */
  progress(message: Message): void;
  /** Fails the request with an id; returns false where none waits. */
  fail(id: RequestId, error: UpstreamError): boolean;
  /** Fails all that wait: no response comes any more. */
  failAll(error: UpstreamError): void;
}

/** Most cancelled requests whose late response is expected. */
const MAX_CANCELLED = 10_000;

/** Makes the list of requests that wait. */
export function createPendingRequests(): PendingRequests {
  const pending = new Map<string, Pending>();
  const cancelled = new Set<string>();

  const take = (id: RequestId): Pending | undefined => {
    const found = pending.get(idKey(id));
    pending.delete(idKey(id));
    return found;
  };
  /** Forgets a request that nobody waits for; its response may still come. */
  const forget = (key: string): boolean => {
    if (!pending.delete(key)) return false;
    cancelled.add(key);
    for (const first of cancelled) if (cancelled.size > MAX_CANCELLED) cancelled.delete(first);
    return true;
  };
  return {
    add(message, options) {
      const key = idKey(message.id);
      return wait(message, options, {
        begin: (entry) => void pending.set(key, entry),
        giveUp: () => forget(key),
      });
    },
    has: (id) => pending.has(idKey(id)) || cancelled.has(idKey(id)),
    settle({ id, text, result, error }) {
      if (id === null) return false;
      const found = take(id);
      found?.resolve({ text, result, error });
      return found !== undefined || cancelled.delete(idKey(id));
    },
    progress(message) {
      if (message.kind !== "notification" || message.method !== "notifications/progress") return;
      const token = isObject(message.params) ? message.params["progressToken"] : undefined;
      if (token === undefined) return;
      for (const { progressToken, refresh } of pending.values()) if (progressToken === token) refresh();
    },
    fail(id, error) {
      const found = take(id);
      found?.reject(error);
      return found !== undefined;
    },
    failAll(error) {
      const all = [...pending.values()];
      pending.clear();
      cancelled.clear();
      for (const { reject } of all) reject(error);
    },
  };
}

interface Waiting {
  readonly begin: (entry: Pending) => void;
  /** Takes the request from the list; returns whether it was there. */
  readonly giveUp: () => boolean;
}

function wait(
  message: RequestMessage,
  { signal, timeout, cancel }: AddOptions,
  { begin, giveUp }: Waiting,
): Promise<UpstreamResponse> {
  return new Promise((resolve, reject) => {
    const stop = (reason: unknown) => {
      if (!giveUp()) return;
      settle(() => reject(reason));
      if (message.method !== "initialize") cancel(cancelText(message, reason));
    };
    const onAbort = () => stop(signal?.reason);
    const timer = setTimeout(() => stop(tooSlow(timeout)), timeout);
    const settle = (then: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      then();
    };
    begin({
      progressToken: metaOf(message.params, "progressToken"),
      resolve: (response) => settle(() => resolve(response)),
      reject: (error) => settle(() => reject(error)),
      refresh: () => timer.refresh(),
    });
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) onAbort();
  });
}
