import { timeoutOf } from "../limits.ts";
import type { RequestMessage } from "../message/message.ts";
import type { Channel, ChannelHost } from "./channel.ts";
import { createStdioLink, type StdioParts } from "./stdio-link.ts";
import type { StdioProcess } from "./stdio-process.ts";
import { createRestarts } from "./stdio-restarts.ts";
import { idTaken, UpstreamError } from "./upstream-error.ts";

/** Milliseconds that a process which was started again may take for the handshake. */
const HANDSHAKE_TIMEOUT = 60_000;

/**
 * Opens a channel to a process of its own. When the process crashes, requests that wait fail, and it is started again: the
 * client's own handshake is sent to the new one, so that the session goes on.
 */
export function createStdioChannel(parts: StdioParts, { receive, onLost }: ChannelHost): Channel {
  const { limits, say } = parts;
  const handshake: { initialize?: RequestMessage; initialized?: string } = {};
  const link = createStdioLink(parts, { receive, onEnd: (how) => restarts.onEnd(how) });
  const { pending } = link;

  const shakeHands = async (started: StdioProcess) => {
    if (handshake.initialize === undefined) return;
    const options = { signal: undefined, timeout: HANDSHAKE_TIMEOUT, cancel: () => {} };
    const response = pending.add(handshake.initialize, options);
    started.write(handshake.initialize.text);
    if ((await response).error !== undefined) throw new UpstreamError("The upstream refused to begin anew.");
    if (handshake.initialized !== undefined) started.write(handshake.initialized);
  };
  const restarts = createRestarts({ start: link.start, shakeHands, say, onLost });
  const cancelAt = (current: StdioProcess) => (text: string) => {
    // One that reads nothing any more cannot be told.
    if (link.process === current && current.isReading) current.write(text);
  };
  return {
    isKept: true,
    async request({ message, signal, onAccepted }) {
      const current = await restarts.running(signal);
      signal.throwIfAborted();
      if (pending.has(message.id)) throw idTaken();
      if (!current.isReading)
        throw new UpstreamError("The MCP server behind this gate has stopped reading what it is sent.");
      const timeout = timeoutOf(message, limits);
      const response = pending.add(message, { signal, timeout, cancel: cancelAt(current) });
      current.write(message.text);
      onAccepted();
      const received = await response;
      restarts.onResponse();
      if (message.method === "initialize" && received.error === undefined) handshake.initialize = message;
      return received;
    },
    async pass(message) {
      if (message.kind === "response") {
        if (link.takeAnswer(message)) link.process?.write(message.text);
        return;
      }
      if (message.kind === "notification" && message.method === "notifications/initialized")
        handshake.initialized = message.text;
      (await restarts.running()).write(message.text);
    },
    async close() {
      restarts.close();
      pending.failAll(new UpstreamError("The session has ended."));
      await link.process?.stop();
    },
  };
}
