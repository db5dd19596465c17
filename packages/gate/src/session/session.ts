import { randomUUID } from "node:crypto";
import type { AskOptions, Rules, Session, UpstreamResponse } from "../exchange.ts";
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
import { type Answer, failureOf } from "./answer.ts";
import { createInFlight, type InFlight, type Output, type StandaloneOutput } from "./in-flight.ts";
import { createRouter, type Router } from "./router.ts";
import { createSend, type Sender } from "./send.ts";

/** The parts of a session. */
export interface SessionParts {
  /** The id by which its client knows it where the upstream keeps it; undefined on stdio, and of one request alone. */
  readonly id: string | undefined;
  readonly rules: Rules;
  readonly say: (sentence: string) => void;
  /** Opens the way to the upstream; called when the first message is passed on. */
  readonly openChannel: (host: ChannelHost) => Channel;
  /** The way for messages of the server that belong to no request; undefined where nobody hears them. */
  readonly standalone: StandaloneOutput | undefined;
  /** Called once, when the session is over; `closed` resolves when nothing of it is left. */
  readonly onEnd: (closed: Promise<void>) => void;
}

/** A client's connection to the upstream. */
export interface ClientSession extends Session {
  /** The protocol's version, once it was negotiated. */
  readonly protocolVersion: string | undefined;
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

/** The state that the functions of a session share. */
interface Inner {
  readonly parts: SessionParts;
  readonly inFlight: InFlight;
  readonly router: Router;
  /** Aborts when the session is over. */
  readonly over: AbortSignal;
  /** Returns the way to the upstream, and opens it the first time. @throws UpstreamError where the session is over */
  readonly upstream: () => Channel;
  /** Takes note of what a response says of the session. */
  readonly learn: (message: RequestMessage, response: UpstreamResponse) => void;
}

/** Makes a session. */
export function createSession(parts: SessionParts): ClientSession {
  const over = new AbortController();
  const inFlight = createInFlight();
  let channel: Channel | undefined;
  let protocolVersion: string | undefined;

  const refuse = ({ text, id }: RequestMessage) => {
    const refusal = errorText(idTextOf(text), -32_601, "The client cannot be reached for a request.");
    const response = { kind: "response", text: refusal, id, result: undefined, error: {} } as const;
    channel?.pass(response, {}).catch(() => {});
  };
  const router = createRouter({ inFlight, standalone: parts.standalone, refuse });
  const upstream = (): Channel => {
    over.signal.throwIfAborted();
    channel ??= parts.openChannel({ receive: router.receive, onLost: () => void session.end() });
    return channel;
  };
  const learn = ({ method }: RequestMessage, { result }: UpstreamResponse) => {
    const version = method === "initialize" && isObject(result) ? result["protocolVersion"] : undefined;
    if (typeof version === "string") protocolVersion = version;
  };
  const inner: Inner = { parts, inFlight, router, over: over.signal, upstream, learn };
  const session: ClientSession = {
    get id() {
      return channel?.isKept ? parts.id : undefined;
    },
    signal: over.signal,
    get protocolVersion() {
      return protocolVersion;
    },
    ask: (method, params, options) => ask(inner, method, params, options),
    handle: (message, sender, output) => handle(inner, session, message, sender, output),
    take: (message, sender) => take(inner, session, message, sender),
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
  return session;
}

async function handle(
  { parts, inFlight, over, upstream, learn }: Inner,
  session: ClientSession,
  message: RequestMessage,
  sender: Sender,
  output: Output,
): Promise<Answer | undefined> {
  const idText = idTextOf(message.text);
  if (over.aborted) return failureOf(idText, over.reason, parts.say);
  const entry = inFlight.add(message, output);
  if (entry === undefined) return { text: errorText(idText, -32_600, "A request with this id is running.") };
  const { signal } = entry;
  const { kind: _, ...request } = message;
  const send = createSend({ message, sender, own: signal, output, upstream, learn });
  try {
    return await parts.rules.request({ ...request, ...sender, session, signal }, send);
  } catch (error) {
    if (signal.reason instanceof ClientCancelled) return undefined;
    if (error instanceof UpstreamError && error.endsSession) void session.end();
    return failureOf(idText, error, parts.say);
  } finally {
    inFlight.remove(message.id);
  }
}

async function take(
  { parts, inFlight, router, upstream }: Inner,
  session: ClientSession,
  message: Exclude<Message, { kind: "request" }>,
  sender: Sender,
): Promise<void> {
  if (message.kind === "response") {
    router.onAnswered(message);
    return upstream().pass(message, sender.headers);
  }
  const { kind: _, ...notification } = message;
  if (!parts.rules.notification({ ...notification, ...sender, session })) return;
  if (!cancel(inFlight, message)) await upstream().pass(message, sender.headers);
}

/** Cancels the request that a notification names: its own text goes upstream with it. */
function cancel(inFlight: InFlight, { method, params, text }: NotificationMessage): boolean {
  if (method !== "notifications/cancelled" || !isObject(params)) return false;
  const id = params["requestId"];
  if (typeof id !== "string" && typeof id !== "number") return false;
  return inFlight.cancel(idKey(id), new ClientCancelled(text));
}

async function ask(
  { over, upstream }: Inner,
  method: string,
  params: unknown,
  { signal }: AskOptions = {},
): Promise<UpstreamResponse> {
  const id = `licentric-${randomUUID()}`;
  const version = versionOf({ params });
  return upstream().request({
    message: {
      kind: "request",
      text: JSON.stringify({ jsonrpc: "2.0", id, method, params }),
      id,
      method,
      params,
    },
    headers: version === undefined ? {} : { "mcp-protocol-version": version, "mcp-method": method },
    signal: signal === undefined ? over : AbortSignal.any([over, signal]),
    onAccepted: () => {},
  });
}
