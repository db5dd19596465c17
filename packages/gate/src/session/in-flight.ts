import type { RequestId } from "../exchange.ts";
import { idKey, metaOf, type RequestMessage } from "../message/message.ts";

/** The way to a client for messages that belong to a request. */
export interface Output {
  /** The response may be long in coming: what belongs to it can be sent from now on. */
  begin(): void;
  /** Sends a message of the server. */
  message(text: string): void;
}

/** The way to a client for messages that belong to no request. */
export interface StandaloneOutput extends Output {
  /** True if the client listens now. What is sent meanwhile waits until it does. */
  readonly isHeard: boolean;
}

/** A request that runs. */
export interface RunningRequest {
  readonly id: RequestId;
  readonly output: Output;
  readonly progressToken: unknown;
  /** Aborts when its client cancelled it, or its session ended. */
  readonly signal: AbortSignal;
}

/** The requests of one session that run. */
export interface InFlight {
  /** Adds a request; undefined where one with its id runs. */
  add(message: RequestMessage, output: Output): RunningRequest | undefined;
  remove(id: RequestId): void;
  /** Aborts a request; returns false where none with this key runs. */
  cancel(key: string, reason: unknown): boolean;
  /** Aborts every request. */
  cancelAll(reason: unknown): void;
  get(id: RequestId): RunningRequest | undefined;
  byProgressToken(token: unknown): RunningRequest | undefined;
  /** The one that began last. */
  readonly latest: RunningRequest | undefined;
  readonly size: number;
}

/** Makes the list of a session's requests that run. */
export function createInFlight(): InFlight {
  const running = new Map<string, RunningRequest & { readonly controller: AbortController }>();
  return {
    add(message, output) {
      const key = idKey(message.id);
      if (running.has(key)) return undefined;
      const controller = new AbortController();
      const progressToken = metaOf(message.params, "progressToken");
      const entry = { id: message.id, output, progressToken, signal: controller.signal, controller };
      running.set(key, entry);
      return entry;
    },
    remove: (id) => void running.delete(idKey(id)),
    cancel(key, reason) {
      const entry = running.get(key);
      entry?.controller.abort(reason);
      return entry !== undefined;
    },
    cancelAll(reason) {
      for (const { controller } of running.values()) controller.abort(reason);
    },
    get: (id) => running.get(idKey(id)),
    byProgressToken: (token) => [...running.values()].find(({ progressToken }) => progressToken === token),
    get latest() {
      return [...running.values()].at(-1);
    },
    get size() {
      return running.size;
    },
  };
}
