import { Server as LowServerV1 } from "@modelcontextprotocol/sdk/server/index.js";
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { Server as LowServerV2, McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { ProtectOptions } from "../src/index.ts";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";
import { connectV1, connectV2, refusalOf, text } from "./connect.ts";

const info = { name: "server", version: "1" };
const CHARGES: ProtectOptions = { tools: { paid: { meterName: "api_calls" } } };

// biome-ignore format: one way a line
const v1Ways: [string, (server: McpServerV1, protect: () => void) => void][] = [
  ["registered before", (s, protect) => { s.registerTool("paid", {}, () => text("ran")); protect(); }],
  ["registered after", (s, protect) => { protect(); s.registerTool("paid", {}, () => text("ran")); }],
  ["deprecated tool()", (s, protect) => { protect(); s.tool("paid", () => text("ran")); }],
  ["deprecated tool() before", (s, protect) => { s.tool("paid", "description", { a: z.string().optional() }, () => text("ran")); protect(); }],
  ["update({ callback }) after", (s, protect) => { const tool = s.registerTool("paid", {}, () => text("old")); protect(); tool.update({ callback: () => text("ran") }); }],
  ["handler = after", (s, protect) => { const tool = s.registerTool("paid", {}, () => text("old")); protect(); tool.handler = () => text("ran"); }],
  ["renamed after", (s, protect) => { const tool = s.registerTool("other", {}, () => text("ran")); protect(); tool.update({ name: "paid" }); }],
  ["disabled and enabled", (s, protect) => { const tool = s.registerTool("paid", {}, () => text("ran")); protect(); tool.disable(); tool.enable(); }],
  ["removed and registered again", (s, protect) => { const tool = s.registerTool("paid", {}, () => text("old")); protect(); tool.remove(); s.registerTool("paid", {}, () => text("ran")); }],
  ["request handler of the owner's after", (s, protect) => { s.registerTool("paid", {}, () => text("old")); protect(); s.server.setRequestHandler(CallToolRequestSchema, () => text("ran")); }],
  ["request handler of the owner's before", (s, protect) => { s.registerTool("paid", {}, () => text("old")); s.server.setRequestHandler(CallToolRequestSchema, () => text("ran")); protect(); }],
  ["request handler of the owner's and no tool", (s, protect) => { s.server.registerCapabilities({ tools: {} }); s.server.setRequestHandler(CallToolRequestSchema, () => text("ran")); protect(); }],
  ["fallback handler after", (s, protect) => { s.server.registerCapabilities({ tools: {} }); protect(); s.server.fallbackRequestHandler = async () => text("ran"); }],
  ["fallback handler before", (s, protect) => { s.server.registerCapabilities({ tools: {} }); s.server.fallbackRequestHandler = async () => text("ran"); protect(); }],
];

// biome-ignore format: one way a line
const v2Ways: [string, (server: McpServerV2, protect: () => void) => void][] = [
  ["registered before", (s, protect) => { s.registerTool("paid", {}, () => text("ran")); protect(); }],
  ["registered after", (s, protect) => { protect(); s.registerTool("paid", {}, () => text("ran")); }],
  ["update({ callback }) after", (s, protect) => { const tool = s.registerTool("paid", {}, () => text("old")); protect(); tool.update({ callback: () => text("ran") }); }],
  ["update({ paramsSchema }) after", (s, protect) => { const tool = s.registerTool("paid", { inputSchema: z.object({}) }, () => text("ran")); protect(); tool.update({ paramsSchema: z.object({ a: z.string().optional() }) }); }],
  ["executor = after", (s, protect) => { const tool = s.registerTool("paid", {}, () => text("old")); protect(); tool.executor = async () => text("ran"); }],
  ["renamed after", (s, protect) => { const tool = s.registerTool("other", {}, () => text("ran")); protect(); tool.update({ name: "paid" }); }],
  ["removed and registered again", (s, protect) => { const tool = s.registerTool("paid", {}, () => text("old")); protect(); tool.remove(); s.registerTool("paid", {}, () => text("ran")); }],
  ["request handler of the owner's after", (s, protect) => { s.registerTool("paid", {}, () => text("old")); protect(); s.server.setRequestHandler("tools/call", () => text("ran")); }],
  ["request handler of the owner's before", (s, protect) => { s.registerTool("paid", {}, () => text("old")); s.server.setRequestHandler("tools/call", () => text("ran")); protect(); }],
  ["request handler with schemas of the owner's", (s, protect) => { s.server.registerCapabilities({ tools: {} }); protect(); s.server.setRequestHandler("tools/call", { params: z.looseObject({}) }, () => text("ran")); }],
  ["fallback handler after", (s, protect) => { s.server.registerCapabilities({ tools: {} }); protect(); s.server.fallbackRequestHandler = async () => text("ran"); }],
];

const capabilities = [undefined, { tools: {} }];

describe.each(capabilities)("capabilities %o", (capability) => {
  const options = capability === undefined ? {} : { capabilities: capability };

  // A server that declares tools has the SDK's own handler from the start: nothing falls back.
  const possible = ([way]: [string, unknown]) => capability === undefined || !way.startsWith("fallback");

  it.each(v1Ways.filter(possible))("v1 charges a tool %s", async (_, arrange) => {
    const paywall = createTestPaywall();
    const server = new McpServerV1(info, options);
    arrange(server, () => paywall.protect(server, CHARGES));
    const client = await connectV1(server);
    expect(await client.callTool({ name: "paid", arguments: {} })).toMatchObject(text("ran"));
    paywall.expectBilled({ meterName: "api_calls", quantity: 1 });
    paywall.actAs(null);
    const refused = await client.callTool({ name: "paid", arguments: {} });
    expect(refusalOf(refused)).toMatchObject({ code: "missing_token" });
    paywall.expectBilled({ quantity: 1 });
  });

  it.each(v2Ways.filter(possible))("v2 charges a tool %s", async (_, arrange) => {
    const paywall = createTestPaywall();
    const server = new McpServerV2(info, options);
    arrange(server, () => paywall.protect(server, CHARGES));
    const client = await connectV2(server);
    expect(await client.callTool({ name: "paid", arguments: {} })).toMatchObject(text("ran"));
    paywall.expectBilled({ meterName: "api_calls", quantity: 1 });
    paywall.actAs(null);
    const refused = await client.callTool({ name: "paid", arguments: {} });
    expect(refusalOf(refused)).toMatchObject({ code: "missing_token" });
    paywall.expectBilled({ quantity: 1 });
  });
});

describe("a low-level server", () => {
  it.each(["before", "after"])("v1 is charged, its handler set %s", async (when) => {
    const paywall = createTestPaywall();
    const server = new LowServerV1(info, { capabilities: { tools: {} } });
    const setHandlers = () => {
      server.setRequestHandler(ListToolsRequestSchema, () => ({
        tools: [{ name: "paid", inputSchema: { type: "object" } }],
      }));
      server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) =>
        text(`${params.name} ${JSON.stringify(params.arguments)} ${paywall.caller(extra).agentId}`),
      );
    };
    if (when === "before") setHandlers();
    paywall.protect(server, CHARGES);
    if (when === "after") setHandlers();
    const client = await connectV1(server);
    expect(await client.callTool({ name: "paid", arguments: { a: 1 } })).toEqual(
      text('paid {"a":1} agt_test'),
    );
    paywall.expectBilled({ meterName: "api_calls" });
    const { tools } = await client.listTools();
    expect(tools[0]?._meta).toEqual({
      "com.licentric/charge": { meterName: "api_calls", quantity: 1, charge: "call", scopes: [] },
    });
  });

  it("v2 is charged", async () => {
    const paywall = createTestPaywall();
    const server = new LowServerV2(info, { capabilities: { tools: {} } });
    paywall.protect(server, CHARGES);
    server.setRequestHandler("tools/call", ({ params }) => text(params.name));
    const client = await connectV2(server);
    expect(await client.callTool({ name: "paid", arguments: {} })).toMatchObject(text("paid"));
    paywall.expectBilled({ meterName: "api_calls" });
  });

  it("is not charged for a malformed request, which its handler never sees", async () => {
    const paywall = createTestPaywall();
    const server = new LowServerV1(info, { capabilities: { tools: {} } });
    server.setRequestHandler(CallToolRequestSchema, () => text("ran"));
    paywall.protect(server, { default: { meterName: "api_calls" } });
    const client = await connectV1(server);
    const malformed = { method: "tools/call", params: { name: "paid", arguments: "no object" } };
    await expect(client.request(malformed, z.unknown() as never)).rejects.toThrow(/arguments|-32602|Invalid/);
    paywall.expectBilled();
  });
});

describe("a name that is no text", () => {
  const request = { method: "tools/call", params: { name: ["paid"], arguments: {} } };

  it.each(["v1", "v2"])(
    "reaches no fallback handler on %s, where it could find a tool for free",
    async (sdk) => {
      const paywall = createTestPaywall();
      let runs = 0;
      const fallbackRequestHandler = async () => {
        runs++;
        return text("ran");
      };
      const capabilities = { tools: {} };
      if (sdk === "v1") {
        const server = paywall.protect(new LowServerV1(info, { capabilities }), CHARGES);
        const client = await connectV1(Object.assign(server, { fallbackRequestHandler }));
        await expect(client.request(request, z.unknown() as never)).rejects.toMatchObject({ code: -32_602 });
      } else {
        const server = paywall.protect(new LowServerV2(info, { capabilities }), CHARGES);
        const client = await connectV2(Object.assign(server, { fallbackRequestHandler }));
        await expect(client.request(request as never, z.unknown())).rejects.toMatchObject({ code: -32_602 });
      }
      expect(runs).toBe(0);
      paywall.expectBilled();
    },
  );
});

it("verifies the callers of tools that are not named, and bills nothing for them", async () => {
  const paywall = createTestPaywall();
  const server = paywall.protect(new McpServerV1(info), CHARGES);
  server.registerTool("unnamed", {}, () => text("ran"));
  const client = await connectV1(server);
  expect(await client.callTool({ name: "unnamed" })).toEqual(text("ran"));
  paywall.expectBilled();
  paywall.actAs(null);
  expect(refusalOf(await client.callTool({ name: "unnamed" }))).toMatchObject({ code: "missing_token" });
});

it("charges what is not named as `default` says", async () => {
  const paywall = createTestPaywall();
  const server = paywall.protect(new McpServerV1(info), { default: { meterName: "rows", quantity: 4 } });
  server.registerTool("unnamed", {}, () => text("ran"));
  await (await connectV1(server)).callTool({ name: "unnamed" });
  paywall.expectBilled({ meterName: "rows", quantity: 4 });
});

it("lets everybody call a tool that is free", async () => {
  const paywall = createTestPaywall();
  const server = paywall.protect(new McpServerV1(info), { tools: { ping: false } });
  server.registerTool("ping", {}, () => text("pong"));
  paywall.actAs(null);
  expect(await (await connectV1(server)).callTool({ name: "ping" })).toEqual(text("pong"));
});

it("charges a call of a registered handler by the owner's own code, too", async () => {
  const paywall = createTestPaywall();
  const server = new McpServerV1(info);
  const tool = server.registerTool("paid", {}, () => text("ran"));
  paywall.protect(server, CHARGES);
  if (typeof tool.handler !== "function") throw new Error("a plain tool has a plain handler");
  const extra = { signal: new AbortController().signal, requestId: 1 };
  await Reflect.apply(tool.handler, undefined, [extra]);
  paywall.expectBilled({ meterName: "api_calls" });
});

describe("a handler that calls others", () => {
  const sell = (paywall: TestPaywall, quantity: number) =>
    paywall.tool({ name: `for ${quantity}`, meterName: "rows", quantity }, async (_extra: object) =>
      text("ran"),
    );

  it.each([
    ["that is free", false],
    ["that is verified only", {}],
  ] as const)("%s spends no payment for one on another", async (_, charge) => {
    const paywall = createTestPaywall();
    const server = new McpServerV1(info);
    const [cheap, dear] = [sell(paywall, 1), sell(paywall, 100)];
    const registered = server.registerTool("registered", {}, () => text("ran"));
    server.registerTool("many", {}, async (extra) => {
      await Promise.all([cheap(extra), dear(extra)]);
      await dear(extra);
      if (typeof registered.handler !== "function") throw new Error("a plain tool has a plain handler");
      for (let call = 0; call < 2; call++) await Reflect.apply(registered.handler, undefined, [extra]);
      return text("all ran");
    });
    paywall.protect(server, {
      tools: { many: charge, registered: { meterName: "calls", charge: "success" } },
    });
    expect(await (await connectV1(server)).callTool({ name: "many" })).toEqual(text("all ran"));
    const rows = [1, 100, 100].map((quantity) => ({ meterName: "rows", quantity }));
    paywall.expectBilled(...rows, { meterName: "calls" }, { meterName: "calls" });
  });

  it("and is charged itself has them in its price", async () => {
    const paywall = createTestPaywall();
    const server = paywall.protect(new McpServerV1(info), CHARGES);
    const dear = sell(paywall, 100);
    server.registerTool("paid", {}, (extra) => dear(extra));
    expect(await (await connectV1(server)).callTool({ name: "paid" })).toEqual(text("ran"));
    paywall.expectBilled({ meterName: "api_calls" });
  });
});

describe("together with paywall.tool", () => {
  it.each([["v1"], ["v2"]])("%s charges once, as the handler's own options say", async (sdk) => {
    const paywall = createTestPaywall();
    const handler = paywall.tool({ meterName: "rows", quantity: 7 }, async () => text("ran"));
    if (sdk === "v1") {
      const server = paywall.protect(new McpServerV1(info), {});
      server.registerTool("paid", {}, handler);
      expect(await (await connectV1(server)).callTool({ name: "paid" })).toEqual(text("ran"));
    } else {
      const server = paywall.protect(new McpServerV2(info), {});
      server.registerTool("paid", {}, handler);
      expect(await (await connectV2(server)).callTool({ name: "paid" })).toMatchObject(text("ran"));
    }
    paywall.expectBilled({ meterName: "rows", quantity: 7 });
  });

  it.each([["v1"], ["v2"]])("%s lists and hides it by the handler's own options", async (sdk) => {
    const paywall = createTestPaywall({ hideUncallable: true });
    const price = "0.02 USD per row";
    const handler = paywall.tool({ meterName: "rows", quantity: 7, scopes: ["mcp:admin"], price }, async () =>
      text("ran"),
    );
    const v1 = paywall.protect(new McpServerV1(info), {});
    const v2 = paywall.protect(new McpServerV2(info), {});
    const tool = sdk === "v1" ? v1.registerTool("paid", {}, handler) : v2.registerTool("paid", {}, handler);
    const client = sdk === "v1" ? await connectV1(v1) : await connectV2(v2);
    const list = async () => (await client.listTools()).tools.map(({ name, _meta }) => ({ name, _meta }));
    expect(await list()).toEqual([]);
    paywall.actAs(paywall.authorize("agt_admin", { scopes: ["mcp:admin"] }));
    const charge = { meterName: "rows", quantity: 7, charge: "call", scopes: ["mcp:admin"], price };
    expect(await list()).toEqual([{ name: "paid", _meta: { "com.licentric/charge": charge } }]);
    // What replaces it brings no options of its own.
    tool.update({ callback: () => text("ran") });
    expect(await list()).toEqual([
      { name: "paid", _meta: { "com.licentric/charge": { charge: "call", scopes: [] } } },
    ]);
  });

  it("says so when a tool has two prices", () => {
    const paywall = createTestPaywall();
    const server = paywall.protect(new McpServerV1(info), CHARGES);
    const handler = paywall.tool({ meterName: "rows" }, async () => text("ran"));
    expect(() => server.registerTool("paid", {}, handler)).toThrow(/keep one of the two/);
  });

  it.each(["before", "after"])("says so when two paywalls would bill a call, protected %s", (when) => {
    const server = new McpServerV1(info);
    const register = () =>
      server.registerTool(
        "t",
        {},
        createTestPaywall().tool({ meterName: "rows" }, async () => text("ran")),
      );
    const protect = () => createTestPaywall().protect(server, {});
    const [first, second] = when === "after" ? [register, protect] : [protect, register];
    first();
    expect(second).toThrow(/another paywall/);
  });

  it("says so when a handler is wrapped twice, whoever wraps it", () => {
    const paywall = createTestPaywall();
    const handler = paywall.tool({ meterName: "rows" }, async () => text("ran"));
    expect(() => paywall.tool({ meterName: "rows" }, handler)).toThrow(/wrapped already/);
    expect(() => createTestPaywall().tool({ meterName: "rows" }, handler)).toThrow(/wrapped already/);
  });
});

describe("a server that cannot be guarded for sure", () => {
  it.each([
    ["something else", {}],
    ["a server without reachable handlers", { server: {}, _registeredTools: {} }],
    [
      "a server that keeps its registry elsewhere",
      { server: { _requestHandlers: new Map() }, _registeredTools: 1 },
    ],
    [
      "a tool of an unknown form",
      {
        server: { _requestHandlers: new Map() },
        _registeredTools: { odd: { run() {} } },
        setToolRequestHandlers() {},
      },
    ],
  ])("is refused with a reason: %s", (_, server) => {
    expect(() => createTestPaywall().protect(server, {})).toThrow(
      /paywall.protect cannot guard this server: /,
    );
  });

  it("is protected once only", () => {
    const paywall = createTestPaywall();
    const server = paywall.protect(new McpServerV1(info), {});
    expect(() => paywall.protect(server, {})).toThrow(/protected already/);
    expect(() => paywall.protect(server.server, {})).toThrow(/protected already/);
  });
});

it.each([
  [{ tool: {} }, /there is no option "tool"/],
  [{ tools: { a: { meter: "x" } } }, /tools.a: there is no option "meter"/],
  [{ tools: { a: { meterName: "Not A Meter" } } }, /not a valid meter name/],
  [{ tools: { a: { quantity: 1 } } }, /needs a meterName/],
  [{ tools: { a: { meterName: "x", quantity: 1.5 } } }, /whole number/],
  [{ tools: { a: { meterName: "x", charge: "later" } } }, /charge is/],
  [
    { tools: { a: { meterName: "x", charge: "call", resultQuantity: () => 1 } } },
    /known only after the handler/,
  ],
])("says what is wrong with options: %o", (options, message) => {
  // Options as they come from a JavaScript program.
  expect(() => createTestPaywall().protect(new McpServerV1(info), options as ProtectOptions)).toThrow(
    message,
  );
});
