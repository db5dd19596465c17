import type { Origin, Send, UpstreamResponse } from "../exchange.ts";
import type { RequestMessage } from "../message/message.ts";
import type { Channel } from "../upstream/channel.ts";
import type { Output } from "./in-flight.ts";

/** The sender of a message, as its HTTP request or the environment says. */
export type Sender = Pick<Origin, "token" | "headers">;

/** The parts of a {@link Send}. */
export interface SendParts {
  readonly message: RequestMessage;
  readonly sender: Sender;
  /** Aborts when the client waits no more. */
  readonly own: AbortSignal;
  readonly output: Output;
  readonly upstream: () => Channel;
  readonly learn: (message: RequestMessage, response: UpstreamResponse) => void;
}

/** Makes the function by which the rules send a request, once. */
export function createSend({ message, sender, own, output, upstream, learn }: SendParts): Send {
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
}
