import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import {
  type BearerAuthMiddlewareOptions,
  createMcpExpressApp,
  requireBearerAuth as requireBearerAuthExpress,
} from "@modelcontextprotocol/express";
import { createMcpFastifyApp } from "@modelcontextprotocol/fastify";
import { createMcpHonoApp } from "@modelcontextprotocol/hono";
import { toNodeHandler } from "@modelcontextprotocol/node";
import {
  bearerAuthChallengeResponse,
  createMcpHandler,
  type McpHttpHandler,
  McpServer,
  requireBearerAuth,
  verifyBearerToken,
} from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { createPaywall, type Paywall } from "../src/index.ts";
import { text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// The packages that put SDK v2 behind a web framework, over real HTTP, with the official client. Express has a
// middleware; behind Hono and Fastify one calls what the SDK's core has for it.

type NodeRequest = Parameters<ReturnType<typeof toNodeHandler>>[0];

async function onExpress(handler: McpHttpHandler, gate: BearerAuthMiddlewareOptions): Promise<Server> {
  const app = createMcpExpressApp();
  const handle = toNodeHandler(handler);
  // Express's own types do not fit the SDK's under exactOptionalPropertyTypes.
  app.all("/mcp", requireBearerAuthExpress(gate), (request, response) =>
    handle(request as NodeRequest, response, request.body),
  );
  return createServer(app);
}

async function onHono(handler: McpHttpHandler, gate: BearerAuthMiddlewareOptions): Promise<Server> {
  const app = createMcpHonoApp();
  const enter = requireBearerAuth(gate);
  app.all("/mcp", async ({ req }) => {
    const authInfo = await enter(req.raw);
    return authInfo instanceof Response ? authInfo : handler.fetch(req.raw, { authInfo });
  });
  return createServer(getRequestListener(app.fetch));
}

async function onFastify(handler: McpHttpHandler, gate: BearerAuthMiddlewareOptions): Promise<Server> {
  const app = createMcpFastifyApp();
  const handle = toNodeHandler(handler);
  app.all("/mcp", async (request, reply) => {
    try {
      const auth = await verifyBearerToken(request.headers.authorization, gate);
      reply.hijack();
      await handle(Object.assign(request.raw, { auth }) as NodeRequest, reply.raw, request.body);
      return reply;
    } catch (error) {
      return bearerAuthChallengeResponse(error, gate);
    }
  });
  await app.ready();
  return app.server;
}

const METADATA_URL = "https://tools.example.com/.well-known/oauth-protected-resource/mcp";

let api: StandIn;
let paywall: Paywall;
let server: Server;
let url: URL;
let runs: number;
beforeEach(async () => {
  runs = 0;
  api = await startStandIn();
  paywall = createPaywall({ baseUrl: api.url });
});
afterEach(async () => {
  vi.useRealTimers();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await paywall.close();
  await api.close();
});

function build(): McpServer {
  const mcp = new McpServer({ name: "server", version: "1" });
  mcp.registerTool("t", {}, () => {
    runs++;
    return text("ran");
  });
  return paywall.protect(mcp, { tools: { t: { meterName: "api_calls" } } });
}

async function listen(serve: typeof onExpress, requiredScopes: string[]): Promise<void> {
  const gate = { verifier: paywall.verifier(), requiredScopes, resourceMetadataUrl: METADATA_URL };
  server = await serve(createMcpHandler(build), gate);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = z.object({ port: z.number() }).parse(server.address());
  url = new URL(`http://127.0.0.1:${port}/mcp`);
}

const post = (token?: string) =>
  fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "t" } }),
  });

describe.each([
  ["Express", onExpress],
  ["Hono", onHono],
  ["Fastify", onFastify],
])("behind %s", (_, serve) => {
  it.each(["auto", "legacy"] as const)("bills a call by one request, protocol %s", async (mode) => {
    await listen(serve, ["mcp:invoke"]);
    const client = new Client({ name: "client", version: "1" }, { versionNegotiation: { mode } });
    const authorization = `Bearer ${api.ledger.authorize("agt_1")}`;
    await client.connect(
      new StreamableHTTPClientTransport(url, { requestInit: { headers: { authorization } } }),
    );
    await client.callTool({ name: "t" });
    api.seen.length = 0;
    for (let call = 0; call < 3; call++) {
      expect(await client.callTool({ name: "t" })).toMatchObject(text("ran"));
    }
    expect(api.seen).toHaveLength(3);
    expect(api.ledger.usage).toHaveLength(4);
    expect(runs).toBe(4);
    await client.close();
  });

  it.each([
    ["no token", () => undefined],
    ["no token of ours", () => "sk-1234567890"],
    ["an unknown token", () => "AGT-unknown-unknown"],
    ["an expired token", () => api.ledger.authorize("agt_1", { expiresAt: new Date(Date.now() - 1_000) })],
  ])("answers 401 with a challenge, and runs nothing: %s", async (_name, makeToken) => {
    await listen(serve, ["mcp:invoke"]);
    const response = await post(makeToken());
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer .*error="invalid_token"/);
    expect(response.headers.get("www-authenticate")).toContain(`resource_metadata="${METADATA_URL}"`);
    expect(await response.json()).toMatchObject({ error: "invalid_token" });
    expect(runs).toBe(0);
    expect(api.ledger.usage).toEqual([]);
  });

  it("answers 403 with the scope that is missing", async () => {
    await listen(serve, ["mcp:admin"]);
    const response = await post(api.ledger.authorize("agt_1"));
    expect(response.status).toBe(403);
    expect(response.headers.get("www-authenticate")).toMatch(/insufficient_scope.*scope="mcp:admin"/);
    expect(runs).toBe(0);
  });

  it("refuses a token from the moment it expires, though requireBearerAuth has seen it valid", async () => {
    await listen(serve, []);
    vi.useFakeTimers({ toFake: ["Date"] });
    const expiresAt = new Date(Date.now() + 5_000);
    const token = api.ledger.authorize("agt_1", { expiresAt });
    const response = await post(token);
    expect(response.status).toBe(200);
    // Headers may be sent before the tool has run.
    expect(await response.text()).toContain("ran");
    vi.setSystemTime(expiresAt.getTime() + 1);
    expect((await post(token)).status).toBe(401);
    expect(api.ledger.usage).toHaveLength(1);
  });
});
