import { Server as LowServerV1 } from "@modelcontextprotocol/sdk/server/index.js";
import {
  McpServer as McpServerV1,
  ResourceTemplate as TemplateV1,
} from "@modelcontextprotocol/sdk/server/mcp.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import {
  createMcpHandler,
  Server as LowServerV2,
  McpServer as McpServerV2,
  ResourceTemplate as TemplateV2,
} from "@modelcontextprotocol/server";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";
import { connectV1, connectV2, refusalOf, text } from "./connect.ts";

// Request handlers of the owner's own: whether they were there before the paywall or not, how they check their
// arguments, and however they came to be there.

const info = { name: "server", version: "1" };
const inputSchema = z.object({ city: z.string(), days: z.number().default(3) });

let paywall: TestPaywall;
beforeEach(() => {
  paywall = createTestPaywall();
});

interface Client {
  callTool(params: { name: string; arguments?: Record<string, unknown> }): Promise<Record<string, unknown>>;
}

const isRefused = async (call: Promise<Record<string, unknown>>) => {
  const result = await call.catch((error: unknown) => ({ isError: error instanceof Error }));
  return result["isError"] === true;
};

describe("a handler that an McpServer had before the paywall", () => {
  /** A server whose `tools/call` was replaced by the owner's handler, or is a wrapper of the SDK's. */
  async function serve(
    sdk: string,
    replace: (original: unknown) => (request: never, context: never) => unknown,
  ) {
    const tools = {
      paid: { meterName: "rows", quantity: ({ days }: { days?: number }) => days ?? 1 },
      free: false,
    } as const;
    const run = async ({ city }: { city: string }) => text(`registered: ${city}`);
    const v1 = new McpServerV1(info);
    v1.registerTool("paid", { inputSchema: inputSchema.shape }, run);
    const v2 = new McpServerV2(info);
    v2.registerTool("paid", { inputSchema }, run);
    const low = sdk === "v1" ? v1.server : v2.server;
    const handlers: unknown = Reflect.get(low, "_requestHandlers");
    if (!(handlers instanceof Map)) throw new Error("the SDK keeps its handlers elsewhere");
    const handler = replace(handlers.get("tools/call"));
    if (sdk === "v1") v1.server.setRequestHandler(CallToolRequestSchema, handler as never);
    else v2.server.setRequestHandler("tools/call", handler as never);
    paywall.protect(sdk === "v1" ? v1 : v2, { tools });
    const client = sdk === "v1" ? await connectV1(v1) : await connectV2(v2);
    return client as Client;
  }

  describe.each(["v1", "v2"])("on SDK %s", (sdk) => {
    it("never runs without a caller, and never with a name that nobody asked for", async () => {
      const own = vi.fn(async (request: { params: { name: string } }) => text(`own: ${request.params.name}`));
      const client = await serve(sdk, () => own as never);
      expect(own).not.toHaveBeenCalled();
      expect(await client.callTool({ name: "paid", arguments: { city: "Rome" } })).toMatchObject(
        text("own: paid"),
      );
      expect(own.mock.calls.map(([{ params }]) => params.name)).toEqual(["paid"]);
      paywall.expectBilled({ quantity: 3 });
      paywall.actAs(null);
      for (const name of ["paid", "hidden"]) {
        const refused = await client.callTool({ name, arguments: { city: "Rome" } });
        expect(refusalOf(refused)).toMatchObject({ code: "missing_token" });
      }
      expect(own).toHaveBeenCalledTimes(1);
      // Nobody is asked for at a free one.
      expect(await client.callTool({ name: "free" })).toMatchObject(text("own: free"));
    });

    it("is charged for what is not registered, once it has served it", async () => {
      const client = await serve(sdk, () => (async () => text("own")) as never);
      paywall.protect(new McpServerV1(info), {});
      expect(await client.callTool({ name: "hidden" })).toMatchObject(text("own"));
      expect(await client.callTool({ name: "paid", arguments: { days: 2 } })).toMatchObject(text("own"));
      paywall.expectBilled({ quantity: 2 });
    });

    it.each([
      ["all", () => true],
      ["some", (name: string) => name === "paid"],
    ])("is charged once where it passes %s on to the SDK's", async (_, passesOn) => {
      const client = await serve(sdk, (original) => {
        if (typeof original !== "function") throw new Error("there is none");
        return ((request: { params: { name: string } }, context: unknown) =>
          passesOn(request.params.name) ? original(request, context) : text("own")) as never;
      });
      expect(await client.callTool({ name: "paid", arguments: { city: "Rome", days: 2 } })).toMatchObject(
        text("registered: Rome"),
      );
      paywall.expectBilled({ quantity: 2 });
      expect(await isRefused(client.callTool({ name: "paid", arguments: { city: 7 } }))).toBe(true);
      paywall.expectBilled({ quantity: 2 });
      paywall.actAs(null);
      const refused = await client.callTool({ name: "other", arguments: {} });
      expect(refusalOf(refused)).toMatchObject({ code: "missing_token" });
    });
  });

  it("is asked once by each request of createMcpHandler, with the request's own name", async () => {
    const own = vi.fn(async ({ params }: { params: { name: string } }) => text(params.name));
    const handler = createMcpHandler(() => {
      const server = new McpServerV2(info, { capabilities: { tools: {} } });
      server.server.setRequestHandler("tools/call", own);
      return paywall.protect(server, { tools: { paid: { meterName: "rows" } } });
    });
    for (let call = 0; call < 3; call++) {
      const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "paid", arguments: {} } };
      const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
      await (
        await handler.fetch(
          new Request("http://localhost/mcp", { method: "POST", headers, body: JSON.stringify(body) }),
        )
      ).text();
    }
    expect(own.mock.calls.map(([{ params }]) => params.name)).toEqual(["paid", "paid", "paid"]);
    paywall.expectBilled({}, {}, {});
  });
});

describe("what the SDK's own handler would refuse is not billed, registered before the paywall", () => {
  const charge = { meterName: "rows" };
  const plan = { default: charge, prompts: {}, resources: {} };

  it.each(["v1", "v2"])("%s", async (sdk) => {
    const v1 = new McpServerV1(info);
    const v2 = new McpServerV2(info);
    v1.registerTool("t", { inputSchema: inputSchema.shape }, () => text("ran"));
    v2.registerTool("t", { inputSchema }, () => text("ran"));
    const off = {
      v1: v1.registerTool("off", {}, () => text("ran")),
      v2: v2.registerTool("off", {}, () => text("ran")),
    };
    off.v1.disable();
    off.v2.disable();
    const prompt = () => ({ messages: [] });
    v1.registerPrompt("p", { argsSchema: { city: z.string() } }, prompt);
    v2.registerPrompt("p", { argsSchema: z.object({ city: z.string() }) }, prompt);
    const read = (uri: URL) => ({ contents: [{ uri: uri.href, text: "ran" }] });
    v1.registerResource("r", "doc://r", {}, read);
    v1.registerResource("pages", new TemplateV1("page://{n}", { list: undefined }), {}, read);
    v2.registerResource("r", "doc://r", {}, read);
    v2.registerResource("pages", new TemplateV2("page://{n}", { list: undefined }), {}, read);
    paywall.protect(sdk === "v1" ? v1 : v2, plan);
    const client = sdk === "v1" ? await connectV1(v1) : await connectV2(v2);
    const refusals = [
      client.callTool({ name: "t", arguments: { city: 7 } }),
      client.callTool({ name: "off" }),
      client.callTool({ name: "unknown" }),
      client.getPrompt({ name: "p", arguments: {} }),
      client.getPrompt({ name: "unknown" }),
      client.readResource({ uri: "doc://unknown" }),
      client.readResource({ uri: "no URI" }),
    ];
    for (const call of refusals) expect(await isRefused(call)).toBe(true);
    paywall.expectBilled();
    await client.callTool({ name: "t", arguments: { city: "Rome" } });
    await client.getPrompt({ name: "p", arguments: { city: "Rome" } });
    await client.readResource({ uri: "doc://r" });
    await client.readResource({ uri: "page://1" });
    paywall.expectBilled({}, {}, {}, {});
  });
});

/** As `@rekog/mcp-nest` 2.0.5 binds its tools: its own handlers on the server, set after `serverMutator` returned it. */
function bindLikeNest(server: McpServerV2, invoke: (args: unknown) => unknown): void {
  server.server.setRequestHandler("tools/list", () => ({
    tools: [
      { name: "forecast", inputSchema: z.toJSONSchema(inputSchema, { io: "input" }) as { type: "object" } },
      { name: "strict", inputSchema: z.toJSONSchema(inputSchema, { io: "input" }) as { type: "object" } },
    ],
  }));
  server.server.setRequestHandler("tools/call", async (request) => {
    if (!["forecast", "strict"].includes(request.params.name)) {
      throw Object.assign(new Error(`Unknown tool: ${request.params.name}`), { code: -32_602 });
    }
    const validation = inputSchema.safeParse(request.params.arguments ?? {});
    if (!validation.success)
      return { ...text(`Invalid parameters: ${validation.error.message}`), isError: true };
    request.params.arguments = validation.data;
    invoke(validation.data);
    return text("ran");
  });
}

describe("a handler that checks its arguments by itself, as in NestJS", () => {
  async function serve() {
    const invoke = vi.fn();
    const server = new McpServerV2(info, { capabilities: { tools: { listChanged: true } } });
    paywall.protect(server, {
      default: { meterName: "rows" },
      tools: { strict: { meterName: "rows", charge: "reserve" } },
    });
    bindLikeNest(server, invoke);
    return { invoke, client: await connectV2(server) };
  }

  it.each([
    ["of another type", { city: 7 }],
    ["that are missing", {}],
    ["that are not given", undefined],
  ])("is not billed for arguments %s", async (_, args) => {
    const { invoke, client } = await serve();
    for (const name of ["forecast", "strict"]) {
      const result = await client.callTool({ name, ...(args !== undefined && { arguments: args }) });
      expect(result).toMatchObject({
        isError: true,
        content: [{ text: expect.stringMatching(/^Invalid parameters/) }],
      });
    }
    expect(invoke).not.toHaveBeenCalled();
    paywall.expectBilled();
  });

  it("is not billed for a tool that it does not have", async () => {
    const { client } = await serve();
    await expect(client.callTool({ name: "unknown", arguments: {} })).rejects.toThrow(/Unknown tool/);
    paywall.expectBilled();
  });

  it("is billed for a call before it runs, and runs for nobody else", async () => {
    const { client, invoke } = await serve();
    invoke.mockImplementationOnce(() => {
      paywall.expectBilled({ quantity: 1 });
      throw new Error("the handler failed");
    });
    await expect(client.callTool({ name: "forecast", arguments: { city: "Rome" } })).rejects.toThrow(
      "failed",
    );
    expect(await client.callTool({ name: "forecast", arguments: { city: "Rome" } })).toMatchObject(
      text("ran"),
    );
    paywall.expectBilled({ quantity: 1 }, { quantity: 1 });
    paywall.actAs(null);
    for (const args of [{ city: "Rome" }, { city: 7 }]) {
      const refused = await client.callTool({ name: "forecast", arguments: args });
      expect(refusalOf(refused)).toMatchObject({ code: "missing_token" });
    }
    expect(invoke).toHaveBeenCalledTimes(2);
  });

  it.each(["v1", "v2"])(
    "is billed for what it serves although its list does not say so, on SDK %s",
    async (sdk) => {
      const charges = { default: { meterName: "rows" } };
      const tools = [{ name: "listed", inputSchema: { type: "object" as const, required: ["city"] } }];
      const v1 = paywall.protect(new LowServerV1(info, { capabilities: { tools: {} } }), charges);
      v1.setRequestHandler(ListToolsRequestSchema, ({ params }) =>
        params?.cursor === undefined ? { tools: [], nextCursor: "2" } : { tools },
      );
      v1.setRequestHandler(CallToolRequestSchema, () => text("ran"));
      const v2 = paywall.protect(new LowServerV2(info, { capabilities: { tools: {} } }), charges);
      v2.setRequestHandler("tools/list", ({ params }) =>
        params?.cursor === undefined ? { tools: [], nextCursor: "2" } : { tools },
      );
      v2.setRequestHandler("tools/call", () => text("ran"));
      const client = sdk === "v1" ? await connectV1(v1) : await connectV2(v2);
      for (const params of [
        { name: "hidden" },
        { name: "listed" },
        { name: "listed", arguments: { city: "Rome" } },
      ]) {
        expect(await client.callTool(params)).toMatchObject(text("ran"));
      }
      paywall.expectBilled({}, {}, {});
    },
  );
});

it("is billed for what it serves where its list cannot be had", async () => {
  const server = new LowServerV2(info, { capabilities: { tools: {} } });
  paywall.protect(server, { default: { meterName: "rows" } });
  server.setRequestHandler("tools/list", () => {
    throw new Error("not for you");
  });
  server.setRequestHandler("tools/call", () => text("ran"));
  expect(await (await connectV2(server)).callTool({ name: "t" })).toMatchObject(text("ran"));
  paywall.expectBilled({});
});

describe.each(["before", "after"])("a handler that was put there by hand, %s the paywall", (when) => {
  const malformed: [string, unknown][] = [
    ["a list for a name", { name: ["forecast"], arguments: {} }],
    ["an object for a name", { name: { toString: "forecast" }, arguments: {} }],
    ["no name", { arguments: {} }],
    ["null for a name", { name: null }],
    ["a list of parameters", ["forecast"]],
    ["null for parameters", null],
    ["no parameters", undefined],
    ["null for arguments", { name: "forecast", arguments: null }],
    ["a text for arguments", { name: "forecast", arguments: "Rome" }],
    ["a list for arguments", { name: "forecast", arguments: ["Rome"] }],
  ];

  function serve(method: string) {
    const run = vi.fn(async () => text("ran"));
    return [
      new LowServerV1(info, { capabilities: { tools: {} } }),
      new LowServerV2(info, { capabilities: { tools: {} } }),
    ].map((server) => {
      const handlers: unknown = Reflect.get(server, "_requestHandlers");
      if (!(handlers instanceof Map)) throw new Error("the SDK keeps its handlers elsewhere");
      if (when === "before") handlers.set(method, run);
      paywall.protect(server, { tools: { forecast: { meterName: "rows" } }, prompts: {}, resources: {} });
      if (when === "after") handlers.set(method, run);
      const handler: unknown = handlers.get(method);
      const call = async (params: unknown) => {
        if (typeof handler !== "function") throw new Error("there is no handler");
        const { signal } = new AbortController();
        const context = {
          signal,
          requestId: 1,
          mcpReq: { id: 1, method, signal, requestState: () => undefined },
        };
        return handler({ jsonrpc: "2.0", id: 1, method, params }, context);
      };
      return { run, call };
    });
  }

  it.each(malformed)("gets nothing that cannot be understood: %s", async (_, params) => {
    paywall.actAs(null);
    for (const method of ["tools/call", "prompts/get"]) {
      for (const { run, call } of serve(method)) {
        await expect(call(params)).rejects.toMatchObject({ code: -32_602 });
        expect(run).not.toHaveBeenCalled();
      }
    }
    for (const { run, call } of serve("resources/read")) {
      await expect(call({ uri: ["doc://r"] })).rejects.toMatchObject({ code: -32_602 });
      expect(run).not.toHaveBeenCalled();
    }
    paywall.expectBilled();
  });

  it("is charged for what it serves", async () => {
    for (const { call } of serve("tools/call")) {
      expect(await call({ name: "forecast", arguments: {} })).toEqual(text("ran"));
    }
    paywall.expectBilled({}, {});
    paywall.actAs(null);
    for (const { run, call } of serve("tools/call")) {
      expect(refusalOf(await call({ name: "forecast" }))).toMatchObject({ code: "missing_token" });
      expect(run).not.toHaveBeenCalled();
    }
  });
});
