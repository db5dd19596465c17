import type { StdioUpstream } from "../exchange.ts";
import { type Limits, timeoutOf } from "../limits.ts";
import { idKey, type Message, type RequestMessage } from "../message/message.ts";
import type { Channel, ChannelHost } from "./channel.ts";
import { createPendingRequests, type PendingRequests } from "./pending-requests.ts";
import { type StdioProcess, startProcess } from "./stdio-process.ts";
import { createRestarts } from "./stdio-restarts.ts";
import { UpstreamError } from "./upstream-error.ts";

/** What a stdio channel is made of. */
export interface StdioParts {
  readonly upstream: StdioUpstream;
  readonly limits: Limits;
  readonly say: (sentence: string) => void;
}

/** Milliseconds that a process which was started again may take for the handshake. */
const HANDSHAKE_TIMEOUT = 60_000;

/**
 * Opens a channel to a process of its own. When the process crashes, requests that wait fail, and it is started again: the
 * client's own handshake is sent to the new one, so that the session goes on.
 */
export function createStdioChannel(parts: StdioParts, host: ChannelHost): Channel {
  const { limits, say } = parts;
  const pending = createPendingRequests();
  const handshake: { initialize?: RequestMessage; initialized?: string } = {};
  /** The ids of the requests of the server that the client has not answered. */
  const asked = new Set<string>();
  const once = sayOnce(say);
  let process: StdioProcess | undefined;
  let isClosed = false;

  const onMessage = (message: Message) => {
    if (message.kind === "response") {
      if (!pending.settle(message))
        once(
          "response",
          `the upstream sent a response that no request waits for (id ${JSON.stringify(message.id)}), which was dropped`,
        );
      return;
    }
    pending.progress(message);
    if (message.kind === "request") asked.add(idKey(message.id));
    host.receive(message, "unknown");
  };
  const start = () => {
    const started = startProcess(parts.upstream, limits.maxServerBytes, {
      onMessage: (message) => process === started && onMessage(message),
      onJunk: (line) => once("junk", `the upstream writes to stdout what is no MCP message: ${line}`),
      onTooLong: (head, tail) => failTooLong(pending, limits.maxServerBytes, `${head}\n${tail}`, say),
      onEnd: (how) => {
        if (process !== started) return;
        process = undefined;
        asked.clear();
        if (!isClosed) restarts.onEnd(how);
        pending.failAll(ended(how));
      },
    });
    process = started;
    return started;
  };
  const shakeHands = async (started: StdioProcess) => {
    if (handshake.initialize === undefined) return;
    const options = { signal: undefined, timeout: HANDSHAKE_TIMEOUT, cancel: () => {} };
    const response = pending.add(handshake.initialize, options);
    started.write(handshake.initialize.text);
    if ((await response).error !== undefined) throw new UpstreamError("The upstream refused to begin anew.");
    if (handshake.initialized !== undefined) started.write(handshake.initialized);
  };
  const restarts = createRestarts({ start, shakeHands, say, onLost: host.onLost });

  return {
    async request({ message, signal, onAccepted }) {
      const current = await restarts.running(signal);
      signal.throwIfAborted();
      if (pending.has(message.id))
        throw new UpstreamError("A request with this id is running.", { code: -32_600 });
      const cancel = (text: string) => process === current && current.write(text);
      const response = pending.add(message, { signal, timeout: timeoutOf(message, limits), cancel });
      try {
        current.write(message.text);
        onAccepted();
      } catch (error) {
        if (error instanceof UpstreamError) pending.fail(message.id, error);
        else throw error;
      }
      const received = await response;
      restarts.onResponse();
      if (message.method === "initialize" && received.error === undefined) handshake.initialize = message;
      return received;
    },
    async pass(message) {
      if (message.kind === "response" && (message.id === null || !asked.delete(idKey(message.id)))) return;
      if (message.kind === "notification" && message.method === "notifications/initialized")
        handshake.initialized = message.text;
      const current = message.kind === "response" ? process : await restarts.running();
      current?.write(message.text);
    },
    async close() {
      isClosed = true;
      restarts.close();
      pending.failAll(new UpstreamError("The session has ended."));
      await process?.stop();
    },
  };
}

function ended(how: string): UpstreamError {
  return new UpstreamError(
    `The MCP server behind this gate ended (${how}) before it answered. Whether it did its work is not known. It is started again: try once more.`,
  );
}

/** Says a sentence of each kind once. */
function sayOnce(say: (sentence: string) => void) {
  const said = new Set<string>();
  return (kind: string, sentence: string): void => {
    if (!said.has(kind)) say(sentence);
    said.add(kind);
  };
}

const FIRST_ID = /^\s*\{(?:\s*"jsonrpc"\s*:\s*"2\.0"\s*,)?\s*"id"\s*:\s*(-?\d+|"[^"\\]*")/;
const LAST_ID = /"id"\s*:\s*(-?\d+|"[^"\\]*")\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$/;

/** Fails the request whose response was too long; all that wait, where its id is nowhere to be seen. */
function failTooLong(
  pending: PendingRequests,
  maxBytes: number,
  ends: string,
  say: (sentence: string) => void,
): void {
  const error = new UpstreamError(
    `The response of the MCP server behind this gate is larger than ${maxBytes} bytes, and was dropped.`,
  );
  say(`the upstream sent a message of more than ${maxBytes} bytes, which was dropped (maxMessageBytes)`);
  const [, found] = FIRST_ID.exec(ends) ?? LAST_ID.exec(ends) ?? [];
  if (found === undefined || !pending.fail(JSON.parse(found), error)) pending.failAll(error);
}
