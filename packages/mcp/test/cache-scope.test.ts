import {
  createMcpHandler,
  Server as LowServer,
  McpServer,
  ResourceTemplate,
  type ServerOptions,
} from "@modelcontextprotocol/server";
import { beforeEach, expect, it } from "vitest";
import { z } from "zod";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";

// Protocol 2026-07-28: what goes out as `public` is kept by clients and proxies and given to others, without a token.

const info = { name: "server", version: "1" };
const publicly = { ttlMs: 60_000, cacheScope: "public" } as const;
const cacheHints: NonNullable<ServerOptions["cacheHints"]> = {
  "tools/list": publicly,
  "resources/list": publicly,
  "resources/read": publicly,
};
const contents = (uri: URL | string) => ({ contents: [{ uri: String(uri), text: "paid" }] });

let paywall: TestPaywall;
beforeEach(() => {
  paywall = createTestPaywall();
});

const CHARGES = {
  resources: {
    "doc://paid": { meterName: "rows" },
    pages: { meterName: "rows" },
    "doc://verified": {},
    "doc://free": false,
  },
} as const;

/** Resources in every form, the owner's hints all `public`. */
function register(server: McpServer): McpServer {
  const hint = { cacheHint: publicly };
  for (const name of ["paid", "verified", "free"])
    server.registerResource(name, `doc://${name}`, hint, contents);
  server.registerResource("pages", new ResourceTemplate("page://{n}", { list: undefined }), hint, contents);
  server.registerResource(
    "wrapped",
    "doc://wrapped",
    hint,
    paywall.resource({ meterName: "rows", name: "w" }, async (uri: URL, _ctx: object) => contents(uri)),
  );
  server.registerResource("calls-charged", "doc://calls-charged", hint, async (uri, ctx) => {
    await paywall.tool({ meterName: "rows", name: "inner" }, async (_ctx: object) => ({ content: [] }))(ctx);
    return contents(uri);
  });
  server.registerTool("t", {}, () => ({ content: [] }));
  return server;
}

const BUILD: Record<string, () => McpServer> = {
  "registered before": () => paywall.protect(register(new McpServer(info, { cacheHints })), CHARGES),
  "registered after": () => register(paywall.protect(new McpServer(info, { cacheHints }), CHARGES)),
};

async function ask(build: () => McpServer | LowServer, method: string, params: object = {}, modern = true) {
  const envelope = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "client", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const { uri: target, _meta } = z
    .looseObject({ uri: z.string().optional(), _meta: z.looseObject({}).optional() })
    .parse(params);
  const response = await createMcpHandler(build).fetch(
    new Request("http://localhost/mcp", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...(modern && { "mcp-protocol-version": "2026-07-28", "mcp-method": method }),
        ...(modern && target !== undefined && { "mcp-name": target }),
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method,
        params: { ...params, ...(modern && { _meta: { ...envelope, ..._meta } }) },
      }),
    }),
  );
  const body = await response.text();
  const json: unknown = JSON.parse(/^data: (.*)$/m.exec(body)?.[1] ?? body);
  return z.object({ result: z.looseObject({ cacheScope: z.string().optional() }) }).parse(json).result;
}

it.each(Object.keys(BUILD))(
  "a resource that is charged or whose reader is verified is private, %s",
  async (when) => {
    const build = BUILD[when] ?? (() => new McpServer(info));
    for (const uri of ["doc://paid", "doc://verified", "page://1", "doc://calls-charged"]) {
      expect(await ask(build, "resources/read", { uri })).toMatchObject({
        cacheScope: "private",
        ttlMs: 60_000,
        contents: [{ text: "paid" }],
      });
    }
    expect(await ask(build, "resources/read", { uri: "doc://free" })).toMatchObject(publicly);
  },
);

it("a resource that is wrapped by itself is private, with protect and without", async () => {
  const build = () => register(new McpServer(info, { cacheHints }));
  for (const made of [build, () => paywall.protect(build(), { resources: {} })]) {
    expect(await ask(made, "resources/read", { uri: "doc://wrapped" })).toMatchObject({
      cacheScope: "private",
    });
  }
});

it("a resource that is repeated under the agent's key is private", async () => {
  const build = BUILD["registered after"] ?? (() => new McpServer(info));
  for (let call = 0; call < 2; call++) {
    const _meta = { "com.licentric/idempotencyKey": "k" };
    const client = ask(build, "resources/read", { uri: "doc://paid", _meta });
    expect(await client).toMatchObject({ cacheScope: "private" });
  }
});

it("a charged resource of the owner's own handler is private, whatever that says", async () => {
  const build = () => {
    const server = new LowServer(info, { capabilities: { resources: {} }, cacheHints });
    paywall.protect(server, { resources: { "doc://paid": { meterName: "rows" }, "doc://free": false } });
    server.setRequestHandler("resources/read", ({ params }) => ({ ...contents(params.uri), ...publicly }));
    return server;
  };
  expect(await ask(build, "resources/read", { uri: "doc://paid" })).toMatchObject({ cacheScope: "private" });
  expect(await ask(build, "resources/read", { uri: "doc://free" })).toMatchObject(publicly);
});

it("a list of tools is private where it depends on who asks, and the owner's otherwise", async () => {
  const build = () => paywall.protect(register(new McpServer(info, { cacheHints })), CHARGES);
  expect(await ask(build, "tools/list")).toMatchObject(publicly);
  paywall = createTestPaywall({ hideUncallable: true });
  expect(await ask(build, "tools/list")).toMatchObject({ cacheScope: "private", ttlMs: 60_000 });
  expect(await ask(build, "resources/list")).toMatchObject(publicly);
});

it("an earlier protocol, which has no cache scope, gets none", async () => {
  const build = BUILD["registered after"] ?? (() => new McpServer(info));
  const result = await ask(build, "resources/read", { uri: "doc://paid" }, false);
  expect(result).toEqual(contents("doc://paid"));
});
