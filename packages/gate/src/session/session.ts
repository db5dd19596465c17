import { randomUUID } from "node:crypto";
import type { Origin, Reply, Rules, Send, Session, UpstreamResponse } from "../exchange.ts";
import {
  errorText,
  idKey,
  idTextOf,
  isObject,
  type Message,
  type NotificationMessage,
  type RequestMessage,
  versionOf,
} from "../message/message.ts";
import type { Channel, ChannelHost } from "../upstream/channel.ts";
import { ClientCancelled, UpstreamError } from "../upstream/upstream-error.ts";
import { createInFlight, type Output, type StandaloneOutput } from "./in-flight.ts";
import { createRouter } from "./router.ts";

/** What a client's HTTP request or stdin says of a message, beside its text. */
export type Sender = Pick<Origin, "token" | "headers">;

/** The response to a request: what the rules answered, or what the upstream's failure comes to. */
export type Answer = Reply & {
  /** The whole HTTP response of a remote upstream, where it gave none of JSON-RPC. */
  readonly body?: string | undefined;
};

/** What a session is made of. */
export interface SessionParts {
  /** The id that it is given; undefined where the upstream gives one, or none. */
  readonly id: string | undefined;
  readonly rules: Rules;
  readonly say: (sentence: string) => void;
  /** Opens the way to the upstream; called when the first message is passed on. */
  readonly openChannel: (host: ChannelHost) => Channel;
  /** Where messages of the server go that belong to no request; undefined where nobody hears them. */
  readonly standalone: StandaloneOutput | undefined;
  /** Called once, when the session is over; `closed` resolves when nothing of it is left. */
  readonly onEnd: (closed: Promise<void>) => void;
}

/** A client's connection to the upstream. */
export interface ClientSession extends Session {
  /** The protocol's version, once it was negotiated. */
  readonly protocolVersion: string | undefined;
  /** Requests that run. */
  readonly running: number;
  /** Handles a request; resolves with what is answered, or undefined where the client cancelled it. Never rejects. */
  handle(message: RequestMessage, sender: Sender, output: Output): Promise<Answer | undefined>;
  /**
   * Handles a notification or a response.
   *
   * @throws UpstreamError where it could not be passed on
   */
  take(message: Exclude<Message, { kind: "request" }>, sender: Sender): Promise<void>;
  /**
   * Opens the stream of what belongs to no request.
   *
   * @throws UpstreamError where the upstream has none
   */
  listen(): Promise<void>;
  /** Ends the session: what runs is cancelled, the upstream's part of it is closed. */
  end(): Promise<void>;
}

/** Makes a session. */
export function createSession(parts: SessionParts): ClientSession {
  const { rules, say } = parts;
  const over = new AbortController();
  const inFlight = createInFlight();
  let channel: Channel | undefined;
  let protocolVersion: string | undefined;

  const router = createRouter({
    inFlight,
    standalone: parts.standalone,
    refuse: (request) => {
      const text = errorText(idTextOf(request.text), -32_601, "The client cannot be reached for a request.");
      const response = { kind: "response", text, id: request.id, result: undefined, error: {} } as const;
      channel?.pass(response, {}).catch(() => {});
    },
  });
  const upstream = (): Channel => {
    over.signal.throwIfAborted();
    channel ??= parts.openChannel({ receive: router.receive, onLost: () => void session.end() });
    return channel;
  };
  const learn = ({ method }: RequestMessage, { result }: UpstreamResponse) => {
    const version = method === "initialize" && isObject(result) ? result["protocolVersion"] : undefined;
    if (typeof version === "string") protocolVersion = version;
  };
  const createSend = (message: RequestMessage, sender: Sender, own: AbortSignal, output: Output): Send => {
    let isSent = false;
    return async ({ signal, agentId } = {}) => {
      if (isSent) throw new TypeError("send: a request is sent to the upstream once");
      isSent = true;
      const response = await upstream().request({
        message,
        headers: sender.headers,
        agentId,
        signal: signal === undefined ? own : AbortSignal.any([own, signal]),
        onAccepted: () => output.begin(),
      });
      learn(message, response);
      return response;
    };
  };
  const session: ClientSession = {
    get id() {
      return parts.id ?? channel?.sessionId;
    },
    signal: over.signal,
    get protocolVersion() {
      return protocolVersion;
    },
    get running() {
      return inFlight.size;
    },
    async ask(method, params, { signal } = {}) {
      const id = `licentric-${randomUUID()}`;
      const text = JSON.stringify({ jsonrpc: "2.0", id, method, params });
      const version = versionOf({ params });
      return upstream().request({
        message: { kind: "request", text, id, method, params },
        headers: version === undefined ? {} : { "mcp-protocol-version": version, "mcp-method": method },
        signal: signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]),
        onAccepted: () => {},
      });
    },
    async handle(message, sender, output) {
      const idText = idTextOf(message.text);
      if (over.signal.aborted) return failureOf(idText, over.signal.reason, say);
      const entry = inFlight.add(message, output);
      if (entry === undefined)
        return { text: errorText(idText, -32_600, "A request with this id is running.") };
      const { signal } = entry;
      try {
        const { kind: _, ...request } = message;
        const send = createSend(message, sender, signal, output);
        return await rules.request({ ...request, ...sender, session, signal }, send);
      } catch (error) {
        if (signal.reason instanceof ClientCancelled) return undefined;
        const failure = failureOf(idText, error, say);
        if (error instanceof UpstreamError && error.endsSession) void session.end();
        return failure;
      } finally {
        inFlight.remove(message.id);
      }
    },
    async take(message, sender) {
      if (message.kind === "response") {
        router.onAnswered(message);
        return upstream().pass(message, sender.headers);
      }
      const { kind: _, ...notification } = message;
      if (!rules.notification({ ...notification, ...sender, session })) return;
      if (!cancel(message)) await upstream().pass(message, sender.headers);
    },
    async listen() {
      await upstream().listen?.();
    },
    async end() {
      if (over.signal.aborted) return;
      const reason = new UpstreamError("The session has ended.", { endsSession: true });
      over.abort(reason);
      inFlight.cancelAll(reason);
      const closed = channel?.close() ?? Promise.resolve();
      parts.onEnd(closed);
      await closed;
    },
  };
  /** Cancels the request that a notification names: its own text goes upstream with it. */
  const cancel = ({ method, params, text }: NotificationMessage): boolean => {
    if (method !== "notifications/cancelled" || !isObject(params)) return false;
    const id = params["requestId"];
    if (typeof id !== "string" && typeof id !== "number") return false;
    return inFlight.cancel(idKey(id), new ClientCancelled(text));
  };
  return session;
}

/** Returns the answer to a request that failed. */
function failureOf(idText: string, error: unknown, say: (sentence: string) => void): Answer {
  if (error instanceof UpstreamError) {
    const { http } = error;
    return { text: errorText(idText, error.code, error.message), http, body: http?.body };
  }
  say(`a request failed: ${error instanceof Error ? error.message : String(error)}`);
  return {
    text: errorText(idText, -32_603, "The gate could not handle the request. Its owner has been told."),
  };
}
