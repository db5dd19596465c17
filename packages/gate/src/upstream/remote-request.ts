import { setTimeout as sleep } from "node:timers/promises";
import type { UpstreamResponse } from "../exchange.ts";
import type { Limits } from "../limits.ts";
import { idKey, type Message, type RequestMessage, readServerParcel } from "../message/message.ts";
import type { Receive } from "./channel.ts";
import { type ResumePoint, readEvents } from "./remote-events.ts";
import { withoutResponse } from "./remote-failures.ts";
import { codeOf, dropBody, mediaTypeOf, type RemoteResponse, readWhole } from "./remote-http.ts";
import { UpstreamError } from "./upstream-error.ts";

/** The parts that one response is read by. */
export interface ResponseReader {
  readonly message: RequestMessage;
  readonly limits: Limits;
  readonly receive: Receive;
  readonly say: (sentence: string) => void;
  readonly signal: AbortSignal;
  /** Called when the response may be long in coming. */
  readonly onAccepted: () => void;
  /** Called at each sign of life. */
  readonly onAlive: () => void;
  /** Goes on with a stream after an event; undefined where the upstream keeps no session. */
  readonly resume: ((lastEventId: string) => Promise<RemoteResponse>) | undefined;
}

/** Times that a stream is resumed, without a message between them. */
const MAX_RESUMES = 5;
const RESUME_DELAY = 1_000;
/** The most that an upstream can ask for: a timer takes no more than 24 days, and fires at once beyond. */
const MAX_RESUME_DELAY = 600_000;

/**
 * Reads the response to one request from the HTTP response to its POST. Whatever else comes with it is handed on as it comes.
 *
 * @throws UpstreamError where there is none
 */
export async function readResponse(
  started: RemoteResponse,
  reader: ResponseReader,
): Promise<UpstreamResponse> {
  const { limits, say } = reader;
  const type = mediaTypeOf(started);
  if (type === "text/event-stream") {
    reader.onAccepted();
    return readStream(started, reader);
  }
  if (type !== "application/json") {
    dropBody(started);
    throw withoutResponse(`answered HTTP ${started.status} with ${type === "" ? "nothing" : type}`);
  }
  const text = await readWhole(started, limits.maxServerBytes);
  let found: UpstreamResponse | undefined;
  const take = createTake(reader, (response) => {
    found = response;
  });
  try {
    for (const message of readServerParcel(text).messages) take(message);
  } catch {
    say("the upstream answered a request with JSON that is no MCP message");
  }
  if (found === undefined) throw withoutResponse(`answered HTTP ${started.status}`);
  return found;
}

/** Makes the function that takes the messages of one response: the response itself once, and what goes with it. */
function createTake(
  { message: { id }, receive, say, onAlive }: ResponseReader,
  onResponse: (response: UpstreamResponse) => void,
) {
  let isDone = false;
  return (message: Message): void => {
    onAlive();
    if (message.kind !== "response") {
      receive(message, { to: id });
      return;
    }
    if (isDone || message.id === null || idKey(message.id) !== idKey(id)) {
      say(
        `the upstream sent a response that no request waits for (id ${JSON.stringify(message.id)}), which was dropped`,
      );
      return;
    }
    isDone = true;
    const { text, result, error } = message;
    onResponse({ text, result, error });
  };
}

/** Resolves with the response as soon as it comes; the rest of the stream is read after that. */
function readStream(started: RemoteResponse, reader: ResponseReader): Promise<UpstreamResponse> {
  return new Promise((resolve, reject) => {
    let isDone = false;
    let tries = 0;
    const take = createTake(reader, (response) => {
      isDone = true;
      resolve(response);
    });
    const onMessage = (message: Message) => {
      tries = 0;
      take(message);
    };
    const onJunk = (start: string) =>
      reader.say(`the upstream sends events that are no MCP messages: ${start}`);
    const point: ResumePoint = {};
    const read = async (response: RemoteResponse): Promise<void> => {
      const cause = await readEvents(response, reader.limits.maxServerBytes, point, {
        onMessage,
        onJunk,
      }).catch((error: unknown) => error);
      if (isDone) return;
      if (cause instanceof UpstreamError) throw cause;
      tries += 1;
      if (reader.resume === undefined || point.id === undefined || point.id === "" || tries > MAX_RESUMES)
        throw withoutResponse(cause === undefined ? "ended its stream" : `broke off (${codeOf(cause)})`);
      await sleep(Math.min(MAX_RESUME_DELAY, point.retry ?? RESUME_DELAY), undefined, {
        signal: reader.signal,
      });
      await read(await reader.resume(point.id));
    };
    read(started).catch(reject);
  });
}
