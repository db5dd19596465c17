import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { getResponse, type RequestHandler } from "msw";

/** A request as it arrived. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly search: URLSearchParams;
  readonly headers: Headers;
  readonly body: unknown;
  /** The client's port: the same for requests on one connection. */
  readonly port: number | undefined;
}

/** msw handlers behind a real socket. */
export interface HandlerServer {
  readonly url: string;
  readonly requests: SeenRequest[];
  close(): Promise<void>;
}

/**
 * Serves msw handlers on loopback: msw cannot see into undici's own sockets, and this way the client's pool,
 * headers and bodies are the real ones.
 */
export async function serveHandlers(handlers: readonly RequestHandler[]): Promise<HandlerServer> {
  const requests: SeenRequest[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const text = await bodyOf(incoming);
    const url = new URL(incoming.url ?? "/", `http://${incoming.headers.host}`);
    const headers = new Headers();
    for (const [name, value] of Object.entries(incoming.headers)) headers.set(name, String(value));
    requests.push({
      method: incoming.method ?? "",
      path: url.pathname,
      search: url.searchParams,
      headers,
      body: text === "" ? undefined : JSON.parse(text),
      port: incoming.socket.remotePort,
    });
    const method = incoming.method ?? "GET";
    const request = new Request(url, { method, headers, ...(text === "" ? {} : { body: text }) });
    const response = await getResponse([...handlers], request);
    if (response === undefined) {
      outgoing.writeHead(404, { "content-type": "text/plain" }).end("no handler");
      return;
    }
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
