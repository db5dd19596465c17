import { createParser } from "eventsource-parser";
import { type Message, readServerParcel } from "../message/message.ts";
import { type RemoteResponse, tooLarge } from "./remote-http.ts";
import type { UpstreamError } from "./upstream-error.ts";

/** The finds in a stream of events. */
export interface EventReader {
  readonly onMessage: (message: Message) => void;
  /** Data that is no message: its first characters. */
  readonly onJunk: (start: string) => void;
}

/** The point at which a stream of events can be resumed. */
export interface ResumePoint {
  /** The id of the last event. */
  id?: string;
  /** Milliseconds that the server asks to wait before. */
  retry?: number;
}

/**
 * Reads a stream of events to its end, event by event.
 *
 * @throws UpstreamError where an event is larger than `maxBytes`; what the connection ends with
 */
export async function readEvents(
  { body }: RemoteResponse,
  maxBytes: number,
  point: ResumePoint,
  { onMessage, onJunk }: EventReader,
): Promise<void> {
  let failure: UpstreamError | undefined;
  const parser = createParser({
    maxBufferSize: maxBytes,
    onRetry: (retry) => {
      point.retry = retry;
    },
    onError: ({ type }) => {
      if (type === "max-buffer-size-exceeded") failure = tooLarge(maxBytes);
    },
    onEvent: ({ id, event, data }) => {
      if (id !== undefined) point.id = id;
      if (data === "" || (event !== undefined && event !== "message")) return;
      for (const message of messagesOf(data, onJunk)) onMessage(message);
    },
  });
  const decoder = new TextDecoder();
  try {
    for await (const chunk of body) {
      parser.feed(decoder.decode(chunk, { stream: true }));
      if (failure !== undefined) throw failure;
    }
  } finally {
    body.destroy();
  }
}

function messagesOf(data: string, onJunk: EventReader["onJunk"]): readonly Message[] {
  try {
    return readServerParcel(data).messages;
  } catch {
    onJunk(data.slice(0, 80).replace(/\p{C}/gu, " "));
    return [];
  }
}
