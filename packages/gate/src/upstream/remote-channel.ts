import type { RemoteUpstream, UpstreamResponse } from "../exchange.ts";
import { type Limits, timeoutOf } from "../limits.ts";
import { isObject } from "../message/message.ts";
import { cancelText } from "./cancellation.ts";
import type { Channel, ChannelHost, OutgoingRequest } from "./channel.ts";
import { refusalOf } from "./remote-failures.ts";
import { dropBody, passedHeaders, type RemoteHttp, type RemoteResponse } from "./remote-http.ts";
import { createListener } from "./remote-listener.ts";
import { readResponse } from "./remote-request.ts";
import { tooSlow, UpstreamError } from "./upstream-error.ts";

/** What a remote channel is made of. */
export interface RemoteParts {
  readonly upstream: RemoteUpstream;
  readonly http: RemoteHttp;
  readonly limits: Limits;
  readonly say: (sentence: string) => void;
}

/** Opens a channel to a remote upstream: one session with it, or none where it keeps none. */
export function createRemoteChannel(parts: RemoteParts, host: ChannelHost): Channel {
  const { http, limits, say } = parts;
  const over = new AbortController();
  let sessionId: string | undefined;
  let protocolVersion: string | undefined;

  const headersOf = (passed: Readonly<Record<string, string>>, agentId?: string): Record<string, string> => ({
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    ...(protocolVersion === undefined ? {} : { "mcp-protocol-version": protocolVersion }),
    ...passed,
    ...(sessionId === undefined ? {} : { "mcp-session-id": sessionId }),
    ...(agentId !== undefined && parts.upstream.sendAgentId ? { "x-licentric-agent-id": agentId } : {}),
  });
  const post = async (
    text: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<RemoteResponse> => {
    const response = await http.send({ method: "POST", headers, body: text, signal });
    if (response.status >= 300) throw await refusalOf(response, say, "mcp-session-id" in headers);
    return response;
  };
  const resume = async (lastEventId: string, signal: AbortSignal): Promise<RemoteResponse> => {
    const headers = { ...headersOf({}), accept: "text/event-stream", "last-event-id": lastEventId };
    const response = await http.send({ method: "GET", headers, signal });
    if (response.status >= 300) throw await refusalOf(response, say, true);
    return response;
  };
  const learn = ({ message }: OutgoingRequest, { result }: UpstreamResponse) => {
    const version =
      message.method === "initialize" && isObject(result) ? result["protocolVersion"] : undefined;
    if (typeof version === "string") protocolVersion = version;
  };
  /** Tells the upstream that nobody waits for a request; where there is no session, a closed connection says it. */
  const cancel = ({ message }: OutgoingRequest, reason: unknown): void => {
    if (sessionId === undefined || over.signal.aborted) return;
    const signal = AbortSignal.timeout(limits.connectTimeout);
    post(cancelText(message, reason), headersOf({}), signal).then(dropBody, () => {});
  };
  const exchange = async (outgoing: OutgoingRequest, signal: AbortSignal, onAlive: () => void) => {
    const { message, onAccepted } = outgoing;
    const started = await post(
      message.text,
      headersOf(passedHeaders(outgoing.headers), outgoing.agentId),
      signal,
    );
    const given = started.headers["mcp-session-id"];
    if (message.method === "initialize" && typeof given === "string") sessionId = given;
    const canResume = sessionId === undefined ? undefined : (id: string) => resume(id, signal);
    const { receive } = host;
    return readResponse(started, {
      message,
      limits,
      receive,
      say,
      signal,
      onAccepted,
      onAlive,
      resume: canResume,
    });
  };
  return {
    get sessionId() {
      return sessionId;
    },
    async request(outgoing) {
      const late = new AbortController();
      const timeout = timeoutOf(outgoing.message, limits);
      const timer = setTimeout(() => late.abort(tooSlow(timeout)), timeout);
      const signal = AbortSignal.any([outgoing.signal, late.signal]);
      try {
        const response = await exchange(outgoing, signal, () => timer.refresh());
        learn(outgoing, response);
        return response;
      } catch (error) {
        if (!signal.aborted) throw error;
        cancel(outgoing, signal.reason);
        throw signal.reason;
      } finally {
        clearTimeout(timer);
      }
    },
    async pass({ text }, headers) {
      const signal = AbortSignal.any([over.signal, AbortSignal.timeout(limits.callTimeout)]);
      dropBody(await post(text, headersOf(passedHeaders(headers)), signal));
    },
    listen: createListener({ http, limits, host, say, signal: over.signal, headers: () => headersOf({}) }),
    async close() {
      const headers = headersOf({});
      over.abort(new UpstreamError("The session has ended."));
      if (sessionId === undefined) return;
      const signal = AbortSignal.timeout(limits.connectTimeout);
      // An upstream that is away, or that lets nobody end a session, ends it by itself.
      await http.send({ method: "DELETE", headers, signal }).then(dropBody, () => {});
    },
  };
}
