// What transport and rules hand each other. Transport moves messages; rules decide what a request costs, whether it may
// run, and what is answered in its place. Texts are passed on as they came: what is parsed is only looked at.

/** The id of a JSON-RPC request. */
export type RequestId = string | number;

/** A connection of one client to the upstream. A key for what rules remember of it (`WeakMap`); gone when the client is. */
export interface Session {
  /** The `mcp-session-id` that the gate gave its client; undefined on stdio and where the server keeps no sessions. */
  readonly id: string | undefined;
  /** Aborts when the session ends: every request of it that still runs is cancelled. */
  readonly signal: AbortSignal;
  /**
   * Asks the upstream something of the gate's own, in this session: the client hears nothing of it.
   *
   * @throws UpstreamError where the upstream cannot be reached or gives no response in time
   */
  ask(method: string, params?: unknown, options?: AskOptions): Promise<UpstreamResponse>;
}

/** Options of {@link Session.ask}. */
export interface AskOptions {
  /** Aborts when nobody waits for the response any more. */
  readonly signal?: AbortSignal | undefined;
}

/** The way that a client's message came by. */
export interface Origin {
  readonly session: Session;
  /** The agent's token: a bearer of `authorization`, or `LICENTRIC_AGENT_TOKEN` of `--stdio`; undefined where there is none. */
  readonly token: string | undefined;
  /** The headers of the HTTP request, in lower case; none on stdio. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** A request of a client. Its id is a string or a number, its keys are unambiguous: no other reader reads another method or name. */
export interface ClientRequest extends Origin {
  /** The message as it came. */
  readonly text: string;
  readonly id: RequestId;
  readonly method: string;
  /** The parsed `params`. */
  readonly params: unknown;
  /** Aborts when nobody waits for the response any more: the client cancelled the request, or its session ended. */
  readonly signal: AbortSignal;
}

/** A notification of a client: no response is owed to it. */
export interface ClientNotification extends Origin {
  /** The message as it came. */
  readonly text: string;
  readonly method: string;
  /** The parsed `params`. */
  readonly params: unknown;
}

/** A response of the upstream: a result or an error. */
export interface UpstreamResponse {
  /** The message as it came, under the client's own id. */
  readonly text: string;
  /** The parsed `result`; undefined where it is an error. */
  readonly result: unknown;
  /** The parsed `error`; undefined where it is a result. */
  readonly error: unknown;
}

/** The answer to a client. */
export interface Reply {
  /** A JSON-RPC response under the request's id: the upstream's text, or one of the rules' own. */
  readonly text: string;
  /**
   * The status and headers of the HTTP response, in place of 200. Taken where the request came by HTTP, alone, and nothing
   * of its response is on the way yet, so not after {@link Send} was called; else the text alone is sent.
   */
  readonly http?:
    | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
    | undefined;
}

/** Options of {@link Send}. */
export interface SendOptions {
  /** Aborts in addition to the request's own signal. */
  readonly signal?: AbortSignal | undefined;
  /** The agent that calls, for a remote upstream whose owner wants to know it (`x-licentric-agent-id`). */
  readonly agentId?: string | undefined;
}

/**
 * Sends a request to the upstream, once, and returns its response. Progress and whatever else the upstream says meanwhile
 * goes to the client by itself.
 *
 * @throws UpstreamError where there is no response: the upstream died, took too long, answered something else. Let it
 *   pass: the transport knows what to answer
 * @throws the signal's reason where the request was cancelled; the upstream is told
 * @throws TypeError where it was sent already
 */
export type Send = (options?: SendOptions) => Promise<UpstreamResponse>;

/** An HTTP request of a client before its messages are looked at. */
export interface HttpArrival {
  readonly httpMethod: "POST" | "GET" | "DELETE";
  /** The agent's token, from `authorization`. */
  readonly token: string | undefined;
  readonly headers: Origin["headers"];
  /** The session that it names; undefined where it names none. */
  readonly session: Session | undefined;
}

/** An HTTP response in place of anything else. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The rules of a gate. */
export interface Rules {
  /**
   * Returns what to answer an HTTP request before any message of it is read, as 401 with `www-authenticate`; undefined lets
   * it in. Also answers `GET` of paths other than the endpoint's, as `/.well-known/oauth-protected-resource`: see
   * {@link Rules.page}.
   */
  admit(arrival: HttpArrival): HttpAnswer | undefined | Promise<HttpAnswer | undefined>;
  /** Returns whether a valid token was sent in a session that {@link Rules.admit} was asked about. */
  isOwned(session: Session): boolean;
  /** Answers a `GET` of another path than the endpoint; undefined is 404. */
  page(path: string): HttpAnswer | undefined;
  /**
   * Decides on one request: sends it, or answers in its place.
   *
   * @throws what {@link Send} threw; anything else is answered with a JSON-RPC error and told on the owner's terminal
   */
  request(request: ClientRequest, send: Send): Promise<Reply>;
  /** Returns whether a notification is passed on. */
  notification(notification: ClientNotification): boolean;
}

/** A stdio upstream: a command that speaks MCP on stdin and stdout. */
export interface StdioUpstream {
  readonly command: string;
  readonly args: readonly string[];
  /** Variables in addition to the gate's own, which it gets without those that begin with `LICENTRIC_`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  /** One process for all sessions, for a server that remembers nothing of its clients; one for each session by default. */
  readonly stateless?: boolean | undefined;
}

/** A remote upstream: an endpoint of Streamable HTTP. */
export interface RemoteUpstream {
  readonly url: string;
  /** The owner's own headers, such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Send who called as `x-licentric-agent-id`; false by default. */
  readonly sendAgentId?: boolean | undefined;
}

/** The server that a gate stands before. */
export type UpstreamOptions = StdioUpstream | RemoteUpstream;

/** Limits of a gate. */
export interface GateLimits {
  /** Sessions at a time; 1,000 by default. */
  readonly maxSessions?: number | undefined;
  /**
   * Sessions at a time in which no valid token was sent; a quarter of `maxSessions` by default. They give way to those of
   * agents, and to newer ones of their own kind. 0 lets none begin without a valid token.
   */
  readonly maxAnonymousSessions?: number | undefined;
  /** Bytes of one message, in either direction; 4 MiB from clients and 32 MiB from upstreams by default. */
  readonly maxMessageBytes?: number | undefined;
  /** Milliseconds after which a session without a request, a message or an open stream ends; 30 minutes by default. */
  readonly idleTimeout?: number | undefined;
  /**
   * The same of a session in which no valid token was sent; 2 minutes by default, and never more than `idleTimeout`. The
   * stream of what belongs to no request does not count.
   */
  readonly anonymousIdleTimeout?: number | undefined;
  /** Milliseconds that the upstream may take for one response; 10 minutes by default. Its progress begins them anew. */
  readonly callTimeout?: number | undefined;
  /** Milliseconds until an upstream has to be reachable; 10 seconds by default. */
  readonly connectTimeout?: number | undefined;
}

/** Options of both fronts. */
export interface FrontOptions {
  readonly upstream: UpstreamOptions;
  readonly rules: Rules;
  readonly limits?: GateLimits | undefined;
  /** Tells the owner something on the terminal, one sentence without a newline. Never holds a token. */
  readonly say: (sentence: string) => void;
}

/** Options of the HTTP front. */
export interface HttpFrontOptions extends FrontOptions {
  /** `127.0.0.1` by default. */
  readonly host?: string | undefined;
  /** 0 takes a free one. */
  readonly port: number;
  /** The endpoint's path; `/mcp` by default. */
  readonly path?: string | undefined;
  /** Host names that requests may be sent to, without a port. Loopback's own by default, where it binds to loopback; else any. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Origins that browsers may send from, such as `https://app.example.com`; loopback's own by default. */
  readonly allowedOrigins?: readonly string[] | undefined;
}

/** A gate that listens. */
export interface HttpFront {
  /** The endpoint, `http://127.0.0.1:8080/mcp`. */
  readonly url: string;
  /** Ends every session, cancels what runs, ends every process that it started. */
  close(): Promise<void>;
}

// Functions, by file:
//   http/http-front.ts        openHttpFront(options: HttpFrontOptions): Promise<HttpFront>
//   stdio-front.ts            runStdioFront(options: FrontOptions & { token: string | undefined; input; output }): Promise<void>
//   upstream/with-upstream.ts withUpstream(options, use: (ask: Session["ask"]) => Promise<T>): Promise<T>   for `--init`
//   upstream/upstream-error.ts UpstreamError: message is one clear sentence
