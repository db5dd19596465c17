import { setTimeout as sleep } from "node:timers/promises";
import type { Limits } from "../limits.ts";
import type { ChannelHost } from "./channel.ts";
import { type ResumePoint, readEvents } from "./remote-events.ts";
import { refusalOf } from "./remote-failures.ts";
import { mediaTypeOf, type RemoteHttp, type RemoteResponse } from "./remote-http.ts";
import { UpstreamError } from "./upstream-error.ts";

/** The parts of a listener. */
export interface ListenerParts {
  readonly http: RemoteHttp;
  readonly limits: Limits;
  readonly host: ChannelHost;
  readonly say: (sentence: string) => void;
  readonly headers: () => Record<string, string>;
  /** Aborts when the session is over. */
  readonly signal: AbortSignal;
}

const FIRST_DELAY = 1_000;
/** The least that an upstream can ask for. */
const MIN_DELAY = 100;
const MAX_DELAY = 30_000;

/**
 * Makes the function that opens the upstream's own stream of a session, once, and keeps it open: a stream that breaks off is
 * resumed where it was.
 */
export function createListener(parts: ListenerParts): () => Promise<void> {
  const { http, limits, host, say, signal } = parts;
  const point: ResumePoint = {};
  let listening: Promise<void> | undefined;
  let delay = FIRST_DELAY;

  const open = async (): Promise<RemoteResponse> => {
    const resumed: Record<string, string> =
      point.id === undefined || point.id === "" ? {} : { "last-event-id": point.id };
    const headers = { ...parts.headers(), ...resumed, accept: "text/event-stream" };
    const response = await http.send({ method: "GET", headers, signal });
    if (response.status === 200 && mediaTypeOf(response) === "text/event-stream") return response;
    const status = response.status >= 300 ? response.status : 405;
    const error = await refusalOf(response, say, true);
    if (error.endsSession) host.onLost();
    throw new UpstreamError(error.message, { endsSession: error.endsSession, http: { status, body: "" } });
  };
  const keep = async (first: RemoteResponse): Promise<void> => {
    let response: RemoteResponse | undefined = first;
    while (!signal.aborted) {
      if (response !== undefined) await read(response);
      const wait = Math.min(MAX_DELAY, Math.max(MIN_DELAY, point.retry ?? delay));
      await sleep(wait, undefined, { signal }).catch(() => {});
      delay = Math.min(MAX_DELAY, 2 * delay);
      response = await open().catch(() => undefined);
    }
  };
  const read = (response: RemoteResponse) =>
    readEvents(response, limits.maxServerBytes, point, {
      onJunk: (start) => say(`the upstream sends events that are no MCP messages: ${start}`),
      onMessage(message) {
        delay = FIRST_DELAY;
        if (message.kind !== "response") host.receive(message, "standalone");
      },
    }).catch((error: unknown) => {
      if (error instanceof UpstreamError && !signal.aborted) say(error.message);
    });
  return () => {
    listening ??= open().then(
      (response) => void keep(response),
      (error: unknown) => {
        listening = undefined;
        throw error;
      },
    );
    return listening;
  };
}
