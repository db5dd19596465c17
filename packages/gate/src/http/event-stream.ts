import type { ServerResponse } from "node:http";
import type { StandaloneOutput } from "../session/in-flight.ts";

/** A stream of server-sent events, which outlives its connections. */
export interface EventStream extends StandaloneOutput {
  /**
   * Sends what comes from now on to a response, and first what came after event `after`, by default the last that was sent to
   * any. Of several responses the last has it.
   */
  attach(response: ServerResponse, after?: number): void;
  /** Sends an event without data, so that the client knows where to resume. */
  prime(): void;
  /** Sends nothing more: ends the connections. */
  end(): void;
  /** Sends a comment to every connection, which shows whether it lives. */
  keepAlive(): void;
  /** Connections that are open. */
  readonly connections: number;
}

/** The streams of one session. */
export interface EventStreams {
  /** The stream of messages that belong to no request. */
  readonly standalone: EventStream;
  /** Makes the stream of one POST. */
  create(): EventStream;
  /**
   * Goes on with a stream after an event; the response is begun by `begin` if it can be. Returns `over` where nothing is left
   * to send, `gone` where an event after that one is not kept any more, or never was.
   */
  resume(lastEventId: string, response: ServerResponse, begin: () => void): "resumed" | "over" | "gone";
  keepAlive(): void;
  end(): void;
  /** Connections that are open. */
  readonly connections: number;
}

/** Bytes of events that a session keeps for clients that resume. */
const MAX_KEPT_BYTES = 1_048_576;
/** Streams that have ended and are still known. */
const MAX_ENDED = 64;

interface Kept {
  readonly stream: number;
  readonly number: number;
  readonly text: string;
}

/** Events that are kept, of all streams of a session; the oldest go first. */
function createHistory() {
  let kept: Kept[] = [];
  let bytes = 0;
  /** The last event of each stream that is not kept. */
  const dropped = new Map<number, number>();
  return {
    add(event: Kept) {
      kept.push(event);
      bytes += event.text.length;
      while (bytes > MAX_KEPT_BYTES && kept.length > 1) {
        const [first] = kept.splice(0, 1);
        if (first === undefined) break;
        bytes -= first.text.length;
        dropped.set(first.stream, first.number);
      }
    },
    after: (stream: number, number: number) =>
      kept.filter((event) => event.stream === stream && event.number > number),
    isWhole: (stream: number, number: number) => (dropped.get(stream) ?? 0) <= number,
    forget(stream: number) {
      kept = kept.filter((event) => event.stream !== stream);
      bytes = kept.reduce((sum, { text }) => sum + text.length, 0);
      dropped.delete(stream);
    },
  };
}

type History = ReturnType<typeof createHistory>;

/** Options of {@link createEventStreams}. */
export interface StreamOptions {
  /** False where nobody can resume: events have no id, and none is kept. */
  readonly isResumable: boolean;
  /** Bytes that may wait for a client to read them; its connection is closed beyond. */
  readonly maxUnread: number;
}

/** Makes the streams of one session. */
export function createEventStreams(options: StreamOptions): EventStreams {
  const history = createHistory();
  const streams = new Map<number, EventStream & { readonly isOver: boolean; readonly last: number }>();
  let next = 0;
  const create = () => {
    const stream = createStream(next, history, options);
    streams.set(next, stream);
    next += 1;
    forgetEnded();
    return stream;
  };
  const forgetEnded = () => {
    const ended = [...streams].filter(([, { isOver }]) => isOver);
    for (const [number] of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) {
      streams.delete(number);
      history.forget(number);
    }
  };
  return {
    standalone: create(),
    create,
    resume(lastEventId, response, begin) {
      const [, number, event] = /^(\d{1,15})-(\d{1,15})$/.exec(lastEventId) ?? [];
      const [at, after] = [Number(number), Number(event)];
      const stream = streams.get(at);
      if (stream === undefined || after > stream.last || !history.isWhole(at, after)) return "gone";
      if (stream.isOver && history.after(at, after).length === 0) return "over";
      begin();
      stream.attach(response, after);
      return "resumed";
    },
    keepAlive() {
      for (const stream of streams.values()) stream.keepAlive();
    },
    end() {
      for (const stream of streams.values()) stream.end();
    },
    get connections() {
      return [...streams.values()].reduce((sum, { connections }) => sum + connections, 0);
    },
  };
}

function createStream(stream: number, history: History, { isResumable, maxUnread }: StreamOptions) {
  const responses: ServerResponse[] = [];
  let last = 0;
  let sent = 0;
  let isOver = false;

  const write = (text: string) => {
    const response = responses.at(-1);
    if (response === undefined) return;
    sent = last;
    response.write(text);
    // It reads too slowly, or not at all: it may resume.
    if (response.writableLength > maxUnread) response.destroy();
  };
  const toEvent = (number: number, text: string) => {
    const data = text
      .split(/\r\n|\r|\n/)
      .map((line) => `data: ${line}\n`)
      .join("");
    return `event: message\n${isResumable ? `id: ${stream}-${number}\n` : ""}${data}\n`;
  };
  return {
    begin() {},
    message(text: string) {
      if (isOver) return;
      last += 1;
      if (isResumable) history.add({ stream, number: last, text });
      write(toEvent(last, text));
    },
    attach(response: ServerResponse, after = sent) {
      if (response.destroyed) return;
      responses.push(response);
      response.once("close", () => responses.splice(responses.indexOf(response), 1));
      for (const { number, text } of history.after(stream, after)) write(toEvent(number, text));
      if (isOver) response.end();
    },
    prime: () => write(`id: ${stream}-${last}\ndata: \n\n`),
    end() {
      isOver = true;
      for (const response of responses) response.end();
    },
    keepAlive() {
      if (!isOver) for (const response of responses) response.write(": \n\n");
    },
    get isHeard() {
      return responses.length > 0;
    },
    get connections() {
      return responses.length;
    },
    get isOver() {
      return isOver;
    },
    get last() {
      return last;
    },
  };
}
