import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { HttpArrival, HttpFront, HttpFrontOptions } from "../exchange.ts";
import { toLimits } from "../limits.ts";
import type { Sender } from "../session/send.ts";
import { openUpstream } from "../upstream/open-upstream.ts";
import { UpstreamError } from "../upstream/upstream-error.ts";
import { allowOrigin, answerPreflight, createGuard } from "./guard.ts";
import { type HttpParts, handlePost, missingSession, ownFailure, unknownSession } from "./post.ts";
import { beginEvents, HttpRefusal, sendAnswer, sendRefusal } from "./responses.ts";
import { createHttpSessions } from "./sessions.ts";

/**
 * Listens for clients of Streamable HTTP.
 *
 * @throws UpstreamError where the upstream's command is not there
 * @throws Error where the port is taken
 */
export async function openHttpFront(options: HttpFrontOptions): Promise<HttpFront> {
  const { host = "127.0.0.1", port, path = "/mcp", say } = options;
  const limits = toLimits(options.limits);
  const upstream = await openUpstream(options.upstream, { limits, say });
  const sessions = createHttpSessions(options, limits, upstream);
  const parts: HttpParts = {
    sessions,
    async introduce(session, sender) {
      await options.rules.admit({ httpMethod: "POST", ...sender, session });
    },
    isStdio: "command" in options.upstream,
    maxClientBytes: limits.maxClientBytes,
  };
  const guard = createGuard(options);
  const server = createServer((request, response) => {
    // A response whose client is gone is no fault of anybody's.
    response.on("error", () => {});
    answer(request, response).catch((error: unknown) => fail(response, error, say));
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const refusal = guard(request);
    if (refusal !== undefined) throw new HttpRefusal(403, refusal);
    allowOrigin(request, response);
    if (request.method === "OPTIONS") return answerPreflight(request, response);
    const [asked = "/"] = (request.url ?? "/").split("?", 1);
    if (asked !== path) return answerPage(options, request, response, asked);
    await answerEndpoint(options, parts, request, response);
  };
  await listen(server, port, host);
  const shown = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${shown}:${portOf(server)}${path}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      await sessions.close();
      await upstream.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function answerPage(
  { rules }: HttpFrontOptions,
  { method }: IncomingMessage,
  response: ServerResponse,
  asked: string,
): void {
  const page = method === "GET" ? rules.page(asked) : undefined;
  if (page === undefined) throw new HttpRefusal(404, `There is nothing at ${JSON.stringify(asked)}.`);
  sendAnswer(response, page);
}

async function answerEndpoint(
  { rules }: HttpFrontOptions,
  parts: HttpParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method: httpMethod, headers } = request;
  if (httpMethod !== "POST" && httpMethod !== "GET" && httpMethod !== "DELETE")
    throw new HttpRefusal(405, "The endpoint takes POST, GET and DELETE.", -32_000, {
      allow: "POST, GET, DELETE",
    });
  const sender: Sender = { token: tokenOf(headers.authorization), headers };
  const id = headers["mcp-session-id"];
  const known = typeof id === "string" ? parts.sessions.get(id) : undefined;
  const arrival: HttpArrival = { httpMethod, ...sender, session: known?.session };
  const refusal = await rules.admit(arrival);
  if (refusal !== undefined) return sendAnswer(response, refusal);
  if (httpMethod === "POST") return handlePost(parts, request, response, sender);
  if (id === undefined) {
    if (!parts.isStdio)
      throw new HttpRefusal(405, "There is no stream without a session.", -32_000, { allow: "POST" });
    throw missingSession();
  }
  if (known === undefined) throw unknownSession();
  known.touch();
  if (httpMethod === "GET") return handleGet(known, request, response);
  void known.session.end();
  response.writeHead(200).end();
}

async function handleGet(
  { session, streams }: NonNullable<ReturnType<HttpParts["sessions"]["get"]>>,
  { headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const accept = headers.accept ?? "*/*";
  if (!accept.includes("text/event-stream") && !accept.includes("*/*"))
    throw new HttpRefusal(406, "A client accepts text/event-stream.");
  const begin = () => beginEvents(response, session.id === undefined ? {} : { "mcp-session-id": session.id });
  const lastEventId = headers["last-event-id"];
  if (typeof lastEventId === "string") {
    const resumed = streams.resume(lastEventId, response, begin);
    if (resumed === "gone") throw new HttpRefusal(400, "What came after this event is not kept any more.");
    if (resumed === "over") response.writeHead(204).end();
    return;
  }
  try {
    await session.listen();
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    if (error.endsSession) throw unknownSession();
    throw new HttpRefusal(error.http?.status ?? 502, error.message);
  }
  begin();
  streams.standalone.attach(response);
}

function tokenOf(authorization: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
}

function fail(response: ServerResponse, error: unknown, say: (sentence: string) => void): void {
  // A client that went away while it was read is no fault of anybody's.
  if (response.destroyed) return;
  if (error instanceof HttpRefusal) {
    sendRefusal(response, error);
    return;
  }
  say(`a request failed: ${error instanceof Error ? error.message : String(error)}`);
  if (response.headersSent) response.destroy();
  else sendAnswer(response, { status: 500, body: ownFailure() });
}
