import { Client as ClientV2, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { createMcpHandler, McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { createPaywall } from "../src/index.ts";
import { type Api, startApi } from "./api.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
}, 60_000);
afterAll(() => api.close());

it("charges a v1 tool", async () => {
  const { agentId, token } = await api.authorize();
  const paywall = createPaywall({ baseUrl: api.url, token: () => token });
  const server = new McpServer({ name: "s", version: "1" });
  server.registerTool(
    "echo",
    { inputSchema: { text: z.string() } },
    paywall.tool(
      { meterName: "api_calls", quantity: (args) => args.text.length },
      async ({ text }, extra) => ({
        content: [{ type: "text", text: text + paywall.caller(extra).agentId }],
      }),
    ),
  );
  const [a, b] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: "c", version: "1" });
  await Promise.all([server.connect(a), client.connect(b)]);
  const result = await client.callTool({ name: "echo", arguments: { text: "abc" } });
  expect(result).toEqual({ content: [{ type: "text", text: `abc${agentId}` }] });
  expect(await api.billed(agentId)).toBe(3);
});

it("protects a v1 server", async () => {
  const { agentId, token } = await api.authorize();
  const paywall = createPaywall({ baseUrl: api.url, token: () => token });
  const server = new McpServer({ name: "s", version: "1" });
  server.registerTool("echo", { inputSchema: { text: z.string() } }, async ({ text }, extra) => ({
    content: [{ type: "text", text: text + paywall.caller(extra).agentId }],
  }));
  paywall.protect(server, {
    tools: { echo: { meterName: "api_calls" }, late: { meterName: "api_calls", quantity: 5 }, free: false },
  });
  server.registerTool("late", { inputSchema: { text: z.string() } }, async ({ text }) => ({
    content: [{ type: "text", text }],
  }));
  const [a, b] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: "c", version: "1" });
  await Promise.all([server.connect(a), client.connect(b)]);
  const result = await client.callTool({ name: "echo", arguments: { text: "abc" } });
  expect(result).toEqual({ content: [{ type: "text", text: `abc${agentId}` }] });
  expect(await api.billed(agentId)).toBe(1);
  await client.callTool({ name: "late", arguments: { text: "abc" } });
  expect(await api.billed(agentId)).toBe(6);
  await client.callTool({ name: "late", arguments: { text: 1 } });
  await client.callTool({ name: "latest", arguments: { text: 1 } });
  expect(await api.billed(agentId)).toBe(6);
});

it("protects a v2 server", async () => {
  const { agentId, token } = await api.authorize();
  const paywall = createPaywall({ baseUrl: api.url });
  const handler = createMcpHandler(() => {
    const server = new McpServerV2({ name: "s", version: "1" });
    server.registerTool("echo", { inputSchema: z.object({ text: z.string() }) }, async ({ text }, extra) => ({
      content: [{ type: "text", text: text + paywall.caller(extra).agentId }],
    }));
    return paywall.protect(server, { tools: { echo: { meterName: "api_calls" } } });
  });
  const client = new ClientV2({ name: "c", version: "1" });
  await client.connect(
    new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), {
      requestInit: { headers: { authorization: `bearer ${token}` } },
      fetch: (url, init) => handler.fetch(new Request(url, init)),
    }),
  );
  const result = await client.callTool({ name: "echo", arguments: { text: "abc" } });
  expect(result.content).toEqual([{ type: "text", text: `abc${agentId}` }]);
  expect(await api.billed(agentId)).toBe(1);
});
