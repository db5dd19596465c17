import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio";
import { NodeStreamableHTTPServerTransport, toNodeHandler } from "@modelcontextprotocol/node";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport as StdioV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as HttpV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { InMemoryTransport as MemoryV1 } from "@modelcontextprotocol/sdk/inMemory.js";
import type { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import {
  createMcpHandler,
  type McpServer as McpServerV2,
  InMemoryTransport as MemoryV2,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { inject } from "vitest";
import { z } from "zod";
import { createPaywall, type Paywall, type PaywallOptions } from "../src/index.ts";
import { buildV1, buildV2 } from "./servers.ts";

/** What a client got. */
export const ToolResult = z.looseObject({
  content: z.array(z.looseObject({ type: z.string(), text: z.string().optional() })),
  isError: z.boolean().optional(),
  structuredContent: z.unknown().optional(),
  _meta: z.record(z.string(), z.unknown()).optional(),
});

/** A connected official client. */
export interface Connection {
  call(name: string, args: Record<string, unknown>): Promise<z.infer<typeof ToolResult>>;
  listTools(): Promise<{ name: string; _meta?: Record<string, unknown> | undefined }[]>;
  close(): Promise<void>;
}

/** A way from a client to a server. */
export interface Surface {
  readonly name: string;
  /** A server behind a paywall on the API at `baseUrl`, called with `token`. */
  connect(baseUrl: string, token: string | undefined): Promise<Connection>;
}

type AnyClient = ClientV1 | ClientV2;

function connection(client: AnyClient, close: () => Promise<unknown>): Connection {
  return {
    call: async (name, args) => ToolResult.parse(await client.callTool({ name, arguments: args })),
    listTools: async () => (await client.listTools()).tools,
    async close() {
      await client.close();
      await close();
    },
  };
}

const info = { name: "client", version: "1" };
const clientV1 = () => new ClientV1(info);
const legacyV2 = () => new ClientV2(info);
const modernV2 = () => new ClientV2(info, { versionNegotiation: { mode: "auto" } });

const bearer = (token: string | undefined): { headers: Record<string, string> } => ({
  // The scheme is case-insensitive.
  headers: token === undefined ? {} : { authorization: `bEaReR ${token}` },
});

/** A paywall whose calls have no HTTP come from the environment's token. */
const paywallFor = (baseUrl: string, options: PaywallOptions = {}) => createPaywall({ baseUrl, ...options });

async function listen(listener: RequestListener): Promise<{ url: URL; close: () => Promise<void> }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = z.object({ port: z.number() }).parse(server.address());
  return {
    url: new URL(`http://127.0.0.1:${address.port}/mcp`),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text === "" ? undefined : JSON.parse(text);
}

function environment(baseUrl: string, token: string | undefined): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith("LICENTRIC_"),
  );
  return {
    ...Object.fromEntries(inherited),
    LICENTRIC_BASE_URL: baseUrl,
    ...(token !== undefined && { LICENTRIC_AGENT_TOKEN: token }),
  };
}

const program = (name: "stdio-v1" | "stdio-v2") => ({
  command: process.execPath,
  args: [inject("paywallPrograms")[name]],
});

function nodeHandler(build: () => McpServerV2): RequestListener {
  const handle = toNodeHandler(createMcpHandler(build));
  // Node's own types do not fit the SDK's under exactOptionalPropertyTypes.
  return (request, response) => void handle(request as Parameters<typeof handle>[0], response);
}

/** Serves a v1 server over Streamable HTTP, one server a session or one a request. */
async function serveV1(paywall: Paywall, sessions: boolean) {
  const transports = new Map<string, StreamableHTTPServerTransport>();
  return listen(async (request, response) => {
    const known = transports.get(String(request.headers["mcp-session-id"]));
    if (known !== undefined)
      return known.handleRequest(
        request,
        response,
        request.method === "POST" ? await bodyOf(request) : undefined,
      );
    const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
      ...(sessions && { sessionIdGenerator: () => randomUUID() }),
      onsessioninitialized: (id) => void transports.set(id, transport),
    });
    const server: McpServerV1 = buildV1(paywall);
    // The SDK's own class does not fit its own interface under exactOptionalPropertyTypes.
    await server.connect(transport as Parameters<McpServerV1["connect"]>[0]);
    await transport.handleRequest(
      request,
      response,
      request.method === "POST" ? await bodyOf(request) : undefined,
    );
  });
}

async function overHttp(
  client: AnyClient,
  served: { url: URL; close: () => Promise<void> },
  paywall: Paywall,
  token: string | undefined,
) {
  const options = { requestInit: bearer(token) };
  const transport =
    client instanceof ClientV1 ? new HttpV1(served.url, options) : new HttpV2(served.url, options);
  await (client as ClientV2).connect(transport as HttpV2);
  return connection(client, async () => {
    await served.close();
    await paywall.close();
  });
}

/** Every way. */
export const surfaces: readonly Surface[] = [
  {
    name: "v1 in memory",
    async connect(baseUrl, token) {
      const paywall = paywallFor(baseUrl, { token: () => token });
      const [near, far] = MemoryV1.createLinkedPair();
      const client = clientV1();
      await Promise.all([buildV1(paywall).connect(far), client.connect(near)]);
      return connection(client, () => paywall.close());
    },
  },
  {
    name: "v1 stdio",
    async connect(baseUrl, token) {
      const client = clientV1();
      await client.connect(new StdioV1({ ...program("stdio-v1"), env: environment(baseUrl, token) }));
      return connection(client, async () => undefined);
    },
  },
  {
    name: "v1 Streamable HTTP with sessions",
    async connect(baseUrl, token) {
      const paywall = paywallFor(baseUrl);
      return overHttp(clientV1(), await serveV1(paywall, true), paywall, token);
    },
  },
  {
    name: "v1 Streamable HTTP without sessions",
    async connect(baseUrl, token) {
      const paywall = paywallFor(baseUrl);
      return overHttp(clientV1(), await serveV1(paywall, false), paywall, token);
    },
  },
  {
    name: "v1 server, v2 client",
    async connect(baseUrl, token) {
      const paywall = paywallFor(baseUrl);
      return overHttp(legacyV2(), await serveV1(paywall, true), paywall, token);
    },
  },
  {
    name: "v1 legacy SSE",
    async connect(baseUrl, token) {
      const paywall = paywallFor(baseUrl);
      const transports = new Map<string, SSEServerTransport>();
      const served = await listen(async (request, response) => {
        const session = new URL(request.url ?? "", "http://localhost").searchParams.get("sessionId");
        const known = session === null ? undefined : transports.get(session);
        if (known !== undefined) return known.handlePostMessage(request, response, await bodyOf(request));
        const transport = new SSEServerTransport("/messages", response);
        transports.set(transport.sessionId, transport);
        await buildV1(paywall).connect(transport);
      });
      const client = clientV1();
      await client.connect(new SSEClientTransport(served.url, { requestInit: bearer(token) }));
      return connection(client, async () => {
        await served.close();
        await paywall.close();
      });
    },
  },
  {
    name: "v2 in memory, 2025-11-25",
    async connect(baseUrl, token) {
      const paywall = paywallFor(baseUrl, { token: () => token });
      const [near, far] = MemoryV2.createLinkedPair();
      const client = legacyV2();
      await Promise.all([buildV2(paywall).connect(far), client.connect(near)]);
      return connection(client, () => paywall.close());
    },
  },
  {
    name: "v2 in memory, 2026-07-28",
    async connect(baseUrl, token) {
      const paywall = paywallFor(baseUrl, { token: () => token });
      const [near, far] = MemoryV2.createLinkedPair();
      const served = serveStdio(() => buildV2(paywall), { transport: far });
      const client = modernV2();
      await client.connect(near);
      return connection(client, async () => {
        await served.close();
        await paywall.close();
      });
    },
  },
  {
    name: "v2 stdio",
    async connect(baseUrl, token) {
      const client = modernV2();
      await client.connect(new StdioV2({ ...program("stdio-v2"), env: environment(baseUrl, token) }));
      return connection(client, async () => undefined);
    },
  },
  {
    name: "v2 Streamable HTTP with sessions",
    async connect(baseUrl, token) {
      const paywall = paywallFor(baseUrl);
      const transports = new Map<string, NodeStreamableHTTPServerTransport>();
      const served = await listen(async (request, response) => {
        const known = transports.get(String(request.headers["mcp-session-id"]));
        if (known !== undefined) return known.handleRequest(request, response);
        const transport = new NodeStreamableHTTPServerTransport({
          sessionIdGenerator: randomUUID,
          onsessioninitialized: (id) => void transports.set(id, transport),
        });
        const server: McpServerV2 = buildV2(paywall);
        await server.connect(transport);
        await transport.handleRequest(request, response);
      });
      return overHttp(legacyV2(), served, paywall, token);
    },
  },
  {
    name: "v2 createMcpHandler, 2026-07-28",
    async connect(baseUrl, token) {
      const paywall = paywallFor(baseUrl);
      const handler = nodeHandler(() => buildV2(paywall));
      return overHttp(modernV2(), await listen(handler), paywall, token);
    },
  },
  {
    name: "v2 createMcpHandler, v1 client",
    async connect(baseUrl, token) {
      const paywall = paywallFor(baseUrl);
      const handler = nodeHandler(() => buildV2(paywall));
      return overHttp(clientV1(), await listen(handler), paywall, token);
    },
  },
];
