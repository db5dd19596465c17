import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** A request that it was sent. */
export interface Seen {
  readonly method: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** Answers a request. */
export type Answer = (seen: Seen, response: ServerResponse) => void;

/** A remote upstream that agrees to a session, and answers the rest as it is told. */
export async function oddRemote(answer: Answer) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const one = {
      method: request.method ?? "",
      headers: request.headers,
      body: Buffer.concat(parts).toString(),
    };
    seen.push(one);
    const { method, id } = one.method === "POST" ? JSON.parse(one.body) : {};
    if (method === "initialize")
      response
        .writeHead(200, { "content-type": "application/json", "mcp-session-id": "upstreams-own" })
        .end(
          `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"protocolVersion":"2025-11-25","capabilities":{}}}`,
        );
    else if (method?.startsWith("notifications/")) response.writeHead(202).end();
    else answer(one, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${address.port}/mcp`, seen };
}
