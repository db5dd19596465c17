import type { StdioUpstream } from "../exchange.ts";
import type { Limits } from "../limits.ts";
import { idKey, type Message, type ResponseMessage } from "../message/message.ts";
import type { Receive } from "./channel.ts";
import { createPendingRequests, type PendingRequests } from "./pending-requests.ts";
import { type StdioProcess, startProcess } from "./stdio-process.ts";
import { UpstreamError } from "./upstream-error.ts";

/** The parts of a stdio channel. */
export interface StdioParts {
  readonly upstream: StdioUpstream;
  readonly limits: Limits;
  readonly say: (sentence: string) => void;
}

/** The process of a channel, one after the other, and the requests that wait for it. */
export interface StdioLink {
  readonly pending: PendingRequests;
  /** The process that runs; undefined where none does. */
  readonly process: StdioProcess | undefined;
  /** Starts the next process. */
  start(): StdioProcess;
  /** Returns whether the process that runs waits for this response, and takes note that it has it. */
  takeAnswer(response: ResponseMessage): boolean;
}

/** The events of a link. */
export interface LinkEvents {
  readonly receive: Receive;
  /** The process is over, and every request that waited for it has failed. */
  readonly onEnd: (how: string) => void;
}

/** Makes the link of a channel to its processes. */
export function createStdioLink({ upstream, limits, say }: StdioParts, events: LinkEvents): StdioLink {
  const pending = createPendingRequests();
  /** The ids of the requests of the server that the client has not answered. */
  const asked = new Set<string>();
  const once = sayOnce(say);
  let process: StdioProcess | undefined;

  const onMessage = (message: Message) => {
    if (message.kind !== "response") {
      pending.progress(message);
      if (message.kind === "request") asked.add(idKey(message.id));
      events.receive(message, "unknown");
    } else if (!pending.settle(message)) {
      const id = JSON.stringify(message.id);
      once(
        "response",
        `the upstream sent a response that no request waits for (id ${id}), which was dropped`,
      );
    }
  };
  return {
    pending,
    get process() {
      return process;
    },
    start() {
      const started = startProcess(upstream, limits.maxServerBytes, {
        onMessage: (message) => process === started && onMessage(message),
        onJunk: (line) => once("junk", `the upstream writes to stdout what is no MCP message: ${line}`),
        onTooLong: (head, tail) => failTooLong(pending, limits.maxServerBytes, `${head}\n${tail}`, say),
        onEnd: (how) => {
          if (process !== started) return;
          process = undefined;
          asked.clear();
          pending.failAll(ended(how));
          events.onEnd(how);
        },
      });
      process = started;
      return started;
    },
    takeAnswer: ({ id }) => id !== null && asked.delete(idKey(id)),
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
