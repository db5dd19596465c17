import type { Origin, RequestId, UpstreamResponse } from "../exchange.ts";
import type { Message, RequestMessage } from "../message/message.ts";

/** A request on its way to the upstream. */
export interface OutgoingRequest {
  readonly message: RequestMessage;
  /** The headers that it came with: those of MCP go on to a remote upstream. */
  readonly headers: Origin["headers"];
  /** The agent that calls, where the rules know it. */
  readonly agentId?: string | undefined;
  readonly signal: AbortSignal;
  /** Called once the upstream has taken it and the response may be long in coming. */
  readonly onAccepted: () => void;
}

/** The owner of a server's message, as far as the channel knows: a request, the session's own stream, or either. */
export type Relation = { readonly to: RequestId } | "standalone" | "unknown";

/** Takes requests and notifications of the server. */
export type Receive = (message: Exclude<Message, { kind: "response" }>, relation: Relation) => void;

/** A connection to the upstream, of one session. */
export interface Channel {
  /** False where the upstream keeps nothing of the session, so that its client has no use for an id. */
  readonly isKept: boolean;
  /**
   * Sends a request and returns its response, under the same id.
   *
   * @throws UpstreamError where there is none
   * @throws the signal's reason; the upstream is told that nobody waits
   */
  request(request: OutgoingRequest): Promise<UpstreamResponse>;
  /**
   * Passes on a notification, or a response to one of the server's requests.
   *
   * @throws UpstreamError where it did not arrive
   */
  pass(message: Message, headers: Origin["headers"]): Promise<void>;
  /**
   * Opens the stream of what belongs to no request, where that needs to be asked for.
   *
   * @throws UpstreamError where the upstream has none, with its HTTP response
   */
  listen?(): Promise<void>;
  /** Ends it, and whatever it started. */
  close(): Promise<void>;
}

/** The session of a channel, as the channel sees it. */
export interface ChannelHost {
  readonly receive: Receive;
  /** Called where the upstream cannot be kept up any longer: the session ends. */
  readonly onLost: () => void;
}
