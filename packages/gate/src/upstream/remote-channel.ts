import type { RemoteUpstream, UpstreamResponse } from "../exchange.ts";
import { type Limits, timeoutOf } from "../limits.ts";
import { idKey, isObject, type RequestMessage } from "../message/message.ts";
import { cancelText } from "./cancellation.ts";
import type { Channel, ChannelHost, OutgoingRequest } from "./channel.ts";
import { refusalOf } from "./remote-failures.ts";
import {
  dropBody,
  passedHeaders,
  type RemoteHttp,
  type RemoteRequest,
  type RemoteResponse,
} from "./remote-http.ts";
import { createListener } from "./remote-listener.ts";
import { type ResponseReader, readResponse } from "./remote-request.ts";
import { idTaken, tooSlow, UpstreamError } from "./upstream-error.ts";

/** The parts of a remote channel. */
export interface RemoteParts {
  readonly upstream: RemoteUpstream;
  readonly http: RemoteHttp;
  readonly limits: Limits;
  readonly say: (sentence: string) => void;
  /** The upstream's ids of the sessions that there are: each is one client's alone. */
  readonly taken: Set<string>;
}

/** The session with the upstream, as far as it is known. */
interface RemoteSession {
  id: string | undefined;
  protocolVersion: string | undefined;
}

/** Most ids of requests that nobody waits for. */
const MAX_GIVEN_UP = 10_000;

/** Opens a channel to a remote upstream: one session with it, or none where it keeps none. */
export function createRemoteChannel(parts: RemoteParts, host: ChannelHost): Channel {
  const { http, limits, say } = parts;
  const over = new AbortController();
  const session: RemoteSession = { id: undefined, protocolVersion: undefined };
  const poster = createPoster(parts, session);
  /** The ids of requests that nobody waits for: an upstream may still send their responses, to whom it knows by their ids. */
  const givenUp = new Set<string>();
  return {
    get isKept() {
      return session.id !== undefined;
    },
    async request(outgoing) {
      const { message } = outgoing;
      if (givenUp.has(idKey(message.id))) throw idTaken();
      const late = new AbortController();
      const timeout = timeoutOf(message, limits);
      const timer = setTimeout(() => late.abort(tooSlow(timeout)), timeout);
      const signal = AbortSignal.any([outgoing.signal, late.signal]);
      try {
        const started = await poster.post(
          message.text,
          signal,
          passedHeaders(outgoing.headers),
          outgoing.agentId,
        );
        const resume = (id: string) => poster.resume(id, signal);
        const onAlive = () => void timer.refresh();
        return await read(parts, host, session, started, { ...outgoing, signal, onAlive, resume });
      } catch (error) {
        if (!signal.aborted) throw error;
        if (givenUp.size < MAX_GIVEN_UP) givenUp.add(idKey(message.id));
        if (!over.signal.aborted) poster.cancel(message, signal.reason);
        throw signal.reason;
      } finally {
        clearTimeout(timer);
      }
    },
    async pass({ text }, headers) {
      const signal = AbortSignal.any([over.signal, AbortSignal.timeout(limits.callTimeout)]);
      dropBody(await poster.post(text, signal, passedHeaders(headers)));
    },
    listen: createListener({ http, limits, host, say, signal: over.signal, headers: poster.headers }),
    async close() {
      over.abort(new UpstreamError("The session has ended."));
      if (session.id === undefined) return;
      const signal = AbortSignal.timeout(limits.connectTimeout);
      // An upstream that is away, or that lets nobody end a session, ends it by itself.
      await http.send({ method: "DELETE", headers: poster.headers(), signal }).then(dropBody, () => {});
      parts.taken.delete(session.id);
    },
  };
}

/** Reads the response to a request, and what it says of the session. */
async function read(
  { limits, say, taken }: RemoteParts,
  { receive }: ChannelHost,
  session: RemoteSession,
  started: RemoteResponse,
  outgoing: OutgoingRequest & Pick<ResponseReader, "onAlive" | "resume">,
): Promise<UpstreamResponse> {
  const isInitialize = outgoing.message.method === "initialize";
  const given = started.headers["mcp-session-id"];
  if (isInitialize && typeof given === "string") {
    if (taken.has(given)) throw sharedSession(started, say);
    taken.add(given);
    session.id = given;
  }
  const response = await readResponse(started, {
    ...outgoing,
    limits,
    say,
    receive,
    resume: session.id === undefined ? undefined : outgoing.resume,
  });
  const version = isInitialize && isObject(response.result) ? response.result["protocolVersion"] : undefined;
  if (typeof version === "string") session.protocolVersion = version;
  return response;
}

/** Returns the error for a session that is another client's: each would be sent what is the other's. */
function sharedSession(started: RemoteResponse, say: (sentence: string) => void): UpstreamError {
  dropBody(started);
  say(
    "the upstream gave two clients one session (mcp-session-id): the second is refused as long as the first one's lasts",
  );
  return new UpstreamError(
    "The MCP server behind this gate gave this client the session of another one, so the gate refused it. Its owner has been told; try again later.",
  );
}

/** Makes what sends HTTP requests of a session. */
function createPoster({ upstream, http, say, limits }: RemoteParts, session: RemoteSession) {
  const headers = (
    passed: Readonly<Record<string, string>> = {},
    agentId?: string,
  ): Record<string, string> => ({
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    ...(session.protocolVersion === undefined ? {} : { "mcp-protocol-version": session.protocolVersion }),
    ...passed,
    ...(session.id === undefined ? {} : { "mcp-session-id": session.id }),
    ...(agentId !== undefined && upstream.sendAgentId ? { "x-licentric-agent-id": agentId } : {}),
  });
  const send = async (request: RemoteRequest): Promise<RemoteResponse> => {
    const response = await http.send(request);
    if (response.status >= 300) throw await refusalOf(response, say, "mcp-session-id" in request.headers);
    return response;
  };
  const post = (text: string, signal: AbortSignal, own: Record<string, string>) =>
    send({ method: "POST", headers: own, body: text, signal });
  return {
    headers: () => headers(),
    post: (text: string, signal: AbortSignal, passed: Readonly<Record<string, string>>, agentId?: string) =>
      post(text, signal, headers(passed, agentId)),
    resume(lastEventId: string, signal: AbortSignal) {
      const own = { accept: "text/event-stream", "last-event-id": lastEventId };
      return send({ method: "GET", headers: { ...headers(), ...own }, signal });
    },
    /** Tells the upstream that nobody waits for a request; where there is no session, a closed connection says it. */
    cancel(message: RequestMessage, reason: unknown): void {
      if (session.id === undefined) return;
      const signal = AbortSignal.timeout(limits.connectTimeout);
      post(cancelText(message, reason), signal, headers()).then(dropBody, () => {});
    },
  };
}
