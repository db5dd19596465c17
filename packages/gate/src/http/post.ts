import type { IncomingMessage, ServerResponse } from "node:http";
import type { Session } from "../exchange.ts";
import {
  errorText,
  idTextOf,
  isSessionless,
  type Message,
  MessageError,
  type Parcel,
  type RequestMessage,
  readClientParcel,
} from "../message/message.ts";
import { UNKNOWN_SESSION } from "../message/unknown-session.ts";
import type { Sender } from "../session/send.ts";
import { UpstreamError } from "../upstream/upstream-error.ts";
import { checkEnvelopes } from "./envelope-headers.ts";
import { createPostOutput, type PostOutput } from "./post-output.ts";
import { HttpRefusal, readBody, sendAnswer } from "./responses.ts";
import type { HttpSession, HttpSessions } from "./sessions.ts";

/** The parts that requests are handled by. */
export interface HttpParts {
  readonly sessions: HttpSessions;
  /** Shows a session to the rules with the token that its first request came with, so that they know whose it is. */
  readonly introduce: (session: Session, sender: Sender) => Promise<void>;
  /** True if the upstream has no HTTP of its own, so that its rules are kept here. */
  readonly isStdio: boolean;
  readonly maxClientBytes: number;
}

const VERSION_WITH_BATCHES = "2025-03-26";
const VERSIONS = new Set(["2024-10-07", "2024-11-05", VERSION_WITH_BATCHES, "2025-06-18", "2025-11-25"]);

/**
 * Handles a POST of messages.
 *
 * @throws HttpRefusal
 */
export async function handlePost(
  parts: HttpParts,
  request: IncomingMessage,
  response: ServerResponse,
  sender: Sender,
): Promise<void> {
  checkHeaders(request);
  const parcel = await readParcel(request, parts.maxClientBytes);
  const initialize = initializeOf(parcel);
  if (initialize !== undefined) return begin(parts, initialize, response, sender);
  const target = findSession(parts, parcel, request, sender);
  if (target === undefined) return answerPings(parcel, response);
  target.touch();
  response.once("close", () => {
    // Nobody can ask for what it waited for.
    if (!target.isKept) void target.session.end();
  });
  checkBatch(parcel, target, request);
  if (parts.isStdio && !target.isKept) {
    checkEnvelopes(parcel.messages, request.headers);
    await parts.introduce(target.session, sender);
  }
  await passOthers(parcel, target, sender);
  const requests = parcel.messages.filter((message) => message.kind === "request");
  if (requests.length === 0) {
    response.writeHead(202).end();
    return;
  }
  const output = createPostOutput(response, target, parcel.isBatch);
  await handleAll(requests, target, sender, output);
  target.touch();
  output.finish();
}

function checkHeaders({ headers }: IncomingMessage): void {
  const type = (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new HttpRefusal(415, "Messages are sent as application/json.");
  const accept = headers.accept ?? "*/*";
  const takesBoth = accept.includes("application/json") && accept.includes("text/event-stream");
  if (!takesBoth && !accept.includes("*/*"))
    throw new HttpRefusal(406, "A client accepts both application/json and text/event-stream.");
}

async function readParcel(request: IncomingMessage, maxBytes: number): Promise<Parcel> {
  const body = await readBody(request, maxBytes);
  try {
    return readClientParcel(body);
  } catch (error) {
    if (error instanceof MessageError) throw new HttpRefusal(400, error.message, error.code);
    throw error;
  }
}

function initializeOf({ messages }: Parcel): RequestMessage | undefined {
  const initialize = messages.find(
    (message) => message.kind === "request" && message.method === "initialize",
  );
  if (initialize?.kind !== "request") return undefined;
  if (messages.length > 1) throw new HttpRefusal(400, "A request to initialize comes alone.", -32_600);
  return initialize;
}

/** Begins a session: it is kept when the upstream has agreed to it. */
async function begin(
  { sessions, introduce }: HttpParts,
  message: RequestMessage,
  response: ServerResponse,
  sender: Sender,
): Promise<void> {
  const begun = await sessions.begin((made) => introduce(made, sender));
  const { session, streams } = begun;
  if (response.destroyed) return session.end();
  response.once("close", () => {
    if (!response.writableFinished) void session.end();
  });
  // Its response is short in coming, and what else is said meanwhile waits for the session's own stream.
  const answer = await session.handle(message, sender, {
    begin() {},
    message: (text) => streams.standalone.message(text),
  });
  const isKept = session.protocolVersion !== undefined && sessions.keep(begun);
  const { id } = session;
  if (!isKept) void session.end();
  if (answer === undefined) throw new HttpRefusal(400, "A request to initialize is not cancelled.", -32_600);
  sendAnswer(response, {
    status: answer.http?.status ?? 200,
    headers: { ...answer.http?.headers, ...(isKept && id !== undefined ? { "mcp-session-id": id } : {}) },
    body: answer.body ?? answer.text,
  });
}

/** Returns the session that messages belong to; undefined where they are pings, which need none. */
function findSession(
  { sessions, isStdio }: HttpParts,
  { messages }: Parcel,
  { headers }: IncomingMessage,
  { token }: Sender,
): HttpSession | undefined {
  const id = headers["mcp-session-id"];
  if (typeof id === "string") {
    const known = sessions.get(id);
    if (known === undefined) throw unknownSession();
    checkVersion(headers["mcp-protocol-version"], known, isStdio);
    return known;
  }
  if (!isStdio || messages.every(isSessionless)) return sessions.transient(token);
  if (messages.every((message) => message.kind === "request" && message.method === "ping")) return undefined;
  throw missingSession();
}

/** Returns the refusal of a session that is over, or never was: clients begin a new one. */
export function unknownSession(): HttpRefusal {
  return new HttpRefusal(404, UNKNOWN_SESSION.message, UNKNOWN_SESSION.code);
}

/** Returns the refusal of a request without a session. */
export function missingSession(): HttpRefusal {
  return new HttpRefusal(400, "The header mcp-session-id is missing: begin a session with initialize.");
}

function checkVersion(sent: string | string[] | undefined, { session }: HttpSession, isStdio: boolean): void {
  if (!isStdio || sent === undefined || sent === session.protocolVersion) return;
  if (typeof sent !== "string" || !VERSIONS.has(sent))
    throw new HttpRefusal(
      400,
      `The protocol version ${JSON.stringify(sent)} is not this session's (mcp-protocol-version).`,
    );
}

function checkBatch(
  { isBatch }: Parcel,
  { session, isKept }: HttpSession,
  { headers }: IncomingMessage,
): void {
  if (!isBatch) return;
  const version = isKept
    ? session.protocolVersion
    : (headers["mcp-protocol-version"] ?? VERSION_WITH_BATCHES);
  if (version !== VERSION_WITH_BATCHES)
    throw new HttpRefusal(400, `Batches are of protocol ${VERSION_WITH_BATCHES} alone.`, -32_600);
}

function answerPings({ messages, isBatch }: Parcel, response: ServerResponse): void {
  const texts = messages.map(({ text }) => `{"jsonrpc":"2.0","id":${idTextOf(text)},"result":{}}`);
  sendAnswer(response, { status: 200, body: isBatch ? `[${texts.join(",")}]` : texts.join("") });
}

async function passOthers({ messages }: Parcel, { session }: HttpSession, sender: Sender): Promise<void> {
  for (const message of messages) if (message.kind !== "request") await passOne(message, session, sender);
}

async function passOne(
  message: Exclude<Message, RequestMessage>,
  session: HttpSession["session"],
  sender: Sender,
): Promise<void> {
  try {
    await session.take(message, sender);
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    if (error.endsSession) {
      void session.end();
      throw unknownSession();
    }
    throw new HttpRefusal(error.http?.status ?? 502, error.message, error.code);
  }
}

async function handleAll(
  requests: readonly Message[],
  { session }: HttpSession,
  sender: Sender,
  output: PostOutput,
): Promise<void> {
  await Promise.all(
    requests.map(async (message) => {
      if (message.kind !== "request") return;
      const answer = await session.handle(message, sender, output);
      if (answer !== undefined) output.answer(answer);
    }),
  );
}

/** Returns the error text of a gate that failed by itself. */
export function ownFailure(): string {
  return errorText("null", -32_603, "The gate could not handle the request. Its owner has been told.");
}
