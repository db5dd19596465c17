import { Server as LowServerV1 } from "@modelcontextprotocol/sdk/server/index.js";
import { McpServer as McpServerV1, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PaywallEvents, ProtectOptions } from "../src/index.ts";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";
import { connectV1, connectV2, refusalOf, text } from "./connect.ts";

// Names in the options of `paywall.protect` that are a server's, and those that are not.

const info = { name: "server", version: "1" };
let paywall: TestPaywall;
let failed: PaywallEvents["failed"][];
beforeEach(() => {
  vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  paywall = createTestPaywall();
  failed = [];
  paywall.on("failed", (event) => failed.push(event));
});
afterEach(() => {
  vi.restoreAllMocks();
});

const warnings = () => vi.mocked(process.emitWarning).mock.calls.map(([warning]) => String(warning));

async function serve(sdk: string, charges: ProtectOptions, prepare: (server: McpServerV1) => void) {
  if (sdk === "v1") {
    const server = paywall.protect(new McpServerV1(info), charges);
    prepare(server);
    return connectV1(server);
  }
  const server = paywall.protect(new McpServerV2(info), charges);
  // Both SDKs take the same here.
  prepare(server as unknown as McpServerV1);
  return connectV2(server);
}

describe.each(["v1", "v2"])("on SDK %s", (sdk) => {
  const MISSPELLED = { tools: { forcast: { meterName: "api_calls" } } };

  it.each(["listTools", "callTool"] as const)(
    "a name that no tool has is told once, by %s",
    async (method) => {
      const client = await serve(sdk, MISSPELLED, (server) => {
        server.registerTool("forecast", {}, () => text("ran"));
      });
      expect(warnings()).toEqual([]);
      for (let time = 0; time < 2; time++) await client[method]({ name: "forecast" } as never);
      expect(warnings()).toEqual([
        'paywall.protect: tools.forcast is the name of no tool of this server, so its price holds for nothing; the server has "forecast". What has no price goes by `default`.',
      ]);
      expect(failed).toEqual([{ reason: warnings()[0], error: undefined }]);
    },
  );

  it("is told of each server's names once, however many servers are made", async () => {
    for (let time = 0; time < 3; time++) {
      const client = await serve(sdk, MISSPELLED, (server) =>
        server.registerTool("forecast", {}, () => text("ran")),
      );
      await client.listTools();
    }
    expect(warnings()).toHaveLength(1);
  });

  it("a name that is free counts as well, and one that is registered in time does not", async () => {
    const charges = { tools: { ping: false, late: { meterName: "api_calls" } } } as const;
    const client = await serve(sdk, charges, (server) => {
      server.registerTool("forecast", {}, () => text("ran"));
      server.registerTool("late", {}, () => text("ran")).disable();
    });
    await client.listTools();
    expect(warnings()).toEqual([expect.stringContaining("tools.ping is the name of no tool")]);
  });

  it("prompts and resources by their names are told, too, and nothing of those that are there", async () => {
    const free = { scopes: [] };
    const charges: ProtectOptions = {
      prompts: { greet: free, great: free },
      resources: {
        "docs://a": free,
        b: free,
        "docs://c": free,
        "docs://items/{id}": free,
        "docs://items/7": free,
      },
    };
    const client = await serve(sdk, charges, (server) => {
      server.registerPrompt("greet", {}, () => ({ messages: [] }));
      server.registerResource("a", "DOCS://a", {}, () => ({ contents: [] }));
      server.registerResource("b", "docs://bee", {}, () => ({ contents: [] }));
      if (sdk === "v1") {
        const template = new ResourceTemplate("docs://items/{id}", { list: undefined });
        server.registerResource("items", template, {}, () => ({ contents: [] }));
      }
    });
    await client.listPrompts();
    await client.listResources();
    const unknown = sdk === "v1" ? ["docs://c"] : ["docs://c", "docs://items/{id}", "docs://items/7"];
    expect(warnings().map((warning) => warning.split(" is the name")[0])).toEqual([
      "paywall.protect: prompts.great",
      ...unknown.map((name) => `paywall.protect: resources.${name}`),
    ]);
  });

  it("a tool that is renamed keeps its price, unless its new name has one", async () => {
    const charges: ProtectOptions = {
      tools: { forecast: { meterName: "api_calls" }, free: false },
      default: false,
    };
    let rename: (name: string) => void = () => undefined;
    const client = await serve(sdk, charges, (server) => {
      const tool = server.registerTool("forecast", {}, () => text("ran"));
      rename = (name) => tool.update({ name });
    });
    rename("weather");
    const { tools } = await client.listTools();
    expect(tools[0]).toMatchObject({
      name: "weather",
      _meta: { "com.licentric/charge": { meterName: "api_calls" } },
    });
    expect(await client.callTool({ name: "weather" })).toMatchObject(text("ran"));
    paywall.expectBilled({ meterName: "api_calls" });
    paywall.actAs(null);
    expect(refusalOf(await client.callTool({ name: "weather" }))).toMatchObject({ code: "missing_token" });
    expect(warnings()).toEqual([expect.stringContaining("tools.free ")]);
  });
});

it("a low-level server is told by its list of tools, where that is whole", async () => {
  const server = new LowServerV1(info, { capabilities: { tools: {} } });
  let nextCursor: string | undefined = "more";
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: [{ name: "forecast", inputSchema: { type: "object" } }],
    ...(nextCursor !== undefined && { nextCursor }),
  }));
  server.setRequestHandler(CallToolRequestSchema, () => text("ran"));
  const client = await connectV1(paywall.protect(server, { tools: { forcast: { meterName: "api_calls" } } }));
  await client.listTools();
  expect(warnings()).toEqual([]);
  nextCursor = undefined;
  await client.listTools();
  expect(warnings()).toEqual([expect.stringContaining("tools.forcast is the name of no tool")]);
});
