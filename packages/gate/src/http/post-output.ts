import type { ServerResponse } from "node:http";
import type { Answer } from "../session/answer.ts";
import type { Output } from "../session/in-flight.ts";
import type { EventStream } from "./event-stream.ts";
import { beginEvents, sendAnswer } from "./responses.ts";
import type { HttpSession } from "./sessions.ts";

/** The response to one POST: JSON, or a stream of events from when it may be long in coming. */
export interface PostOutput extends Output {
  /** Sends the response to one of its requests. */
  answer(answer: Answer): void;
  /** Ends the response: every request is answered or cancelled. */
  finish(): void;
}

/** The first version whose clients take an event without data. */
const VERSION_OF_PRIMING = "2025-11-25";

/** Makes the response to one POST. */
export function createPostOutput(
  response: ServerResponse,
  { session, streams, isKept }: HttpSession,
  isBatch: boolean,
): PostOutput {
  const held: Answer[] = [];
  let stream: EventStream | undefined;

  const begin = (): EventStream => {
    if (stream !== undefined) return stream;
    const begun = streams.create();
    stream = begun;
    if (!response.destroyed) {
      beginEvents(response, session.id === undefined ? {} : { "mcp-session-id": session.id });
      begun.attach(response);
      if (isKept && (session.protocolVersion ?? "") >= VERSION_OF_PRIMING) begun.prime();
    }
    for (const { text } of held.splice(0)) begun.message(text);
    return begun;
  };
  return {
    begin: () => void begin(),
    message: (text) => begin().message(text),
    answer(answer) {
      if (stream === undefined) held.push(answer);
      else stream.message(answer.text);
    },
    finish() {
      if (stream !== undefined) return stream.end();
      const [only] = held;
      if (only === undefined) response.writeHead(202).end();
      else if (isBatch)
        sendAnswer(response, { status: 200, body: `[${held.map(({ text }) => text).join(",")}]` });
      else sendAnswer(response, { status: 200, ...only.http, body: only.body ?? only.text });
    },
  };
}
