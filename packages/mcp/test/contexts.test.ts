import { PassThrough } from "node:stream";
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport as ServerStdioV1 } from "@modelcontextprotocol/sdk/server/stdio.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { StdioServerTransport as ServerStdioV2 } from "@modelcontextprotocol/server/stdio";
import { afterEach, beforeEach, describe, expect, inject, it, vi } from "vitest";
import { z } from "zod";
import type { PaywallEvents } from "../src/index.ts";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";
import { connectModern, connectV1, connectV2, refusalOf, text } from "./connect.ts";
import { startStandIn } from "./stand-in.ts";

// Who is local, and what is a context: nobody else pays with the token of this process, and no client writes its own.

const info = { name: "server", version: "1" };
const CHARGES = { tools: { t: { meterName: "api_calls" } } };

/** The agent that started this process, and one that calls over the network. */
let paywall: TestPaywall;
let stranger: string;
let failed: PaywallEvents["failed"][];
beforeEach(() => {
  paywall = createTestPaywall();
  paywall.actAs(null);
  failed = [];
  paywall.on("failed", (event) => failed.push(event));
  vi.stubEnv("LICENTRIC_AGENT_TOKEN", paywall.authorize("agt_of_the_process"));
  stranger = paywall.authorize("agt_stranger");
  vi.spyOn(process, "emitWarning").mockImplementation(() => {});
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const fn = () => undefined;
const { signal } = new AbortController();

/**
 * What frameworks hand to a tool over HTTP, read in their code: mcp-use 2.5.2, FastMCP 4.20.16 (stateless), mcp-nest
 * 2.0.5, Mastra 2.0.0, mcp-framework 0.2.22, tmcp 1.20.0, mcp-lite 0.10.0, zuplo 0.0.32.
 */
const FRAMEWORKS: [string, () => unknown[]][] = [
  [
    "mcp-use",
    () => [{}, { signal, client: { can: fn }, requestState: fn, sendNotification: fn, reportProgress: fn }],
  ],
  [
    "FastMCP",
    () => [
      {},
      {
        client: { version: {} },
        elicit: fn,
        log: {},
        reportProgress: fn,
        requestId: undefined,
        session: undefined,
        sessionId: undefined,
        signal,
        streamContent: fn,
      },
    ],
  ],
  [
    "mcp-nest",
    () => [
      {},
      { args: [{}, {}, { transport: "streamable-http", stateless: true }, {}], reportProgress: fn, log: {} },
      {},
    ],
  ],
  [
    "Mastra",
    () => [
      {},
      { requestContext: new Map(), mcp: { extra: { signal, sendNotification: fn, sendRequest: fn } } },
    ],
  ],
  ["mcp-framework", () => [{}]],
  ["tmcp", () => [{}]],
  ["tmcp without a schema", () => []],
  [
    "mcp-lite",
    () => [
      {},
      {
        request: {},
        authInfo: undefined,
        requestId: 1,
        env: {},
        state: {},
        validate: fn,
        elicit: fn,
        sample: fn,
      },
    ],
  ],
  ["zuplo", () => [{}, undefined]],
  ["zuplo with _meta", () => [{}, { progressToken: 1 }]],
];

describe.each(FRAMEWORKS)("a tool of %s over HTTP", (_, paramsOf) => {
  it("never takes the process's token for a call without one, and the owner is told once", async () => {
    let runs = 0;
    const handler = paywall.tool({ meterName: "api_calls" }, async (..._params: unknown[]) =>
      text(`${++runs}`),
    );
    for (let call = 0; call < 2; call++) {
      expect(refusalOf(await handler(...paramsOf()))).toMatchObject({ code: "missing_token" });
    }
    expect(runs).toBe(0);
    paywall.expectBilled();
    expect(failed).toMatchObject([
      { reason: expect.stringMatching(/LICENTRIC_AGENT_TOKEN is set and was not used/) },
    ]);
    expect(process.emitWarning).toHaveBeenCalledTimes(1);
  });

  it("says who called, whatever its context is", async () => {
    paywall.actAs(stranger);
    const handler = paywall.tool({ meterName: "api_calls" }, async (...params: unknown[]) =>
      text(paywall.caller(params.at(-1)).agentId),
    );
    expect(await handler(...paramsOf())).toEqual(text("agt_stranger"));
    paywall.expectBilled({ agentId: "agt_stranger" });
  });
});

it("says who called to each of two calls that nothing tells apart", async () => {
  const tokens = ["agt_1", "agt_2"].map((agent) => paywall.authorize(agent));
  let open: (() => void) | undefined;
  const both = new Promise<void>((resolve) => {
    open = resolve;
  });
  let waiting = 0;
  const handler = paywall.tool({ meterName: "api_calls" }, async (_args: { n: number }) => {
    if (++waiting === 2) open?.();
    await both;
    return text(paywall.caller().agentId);
  });
  const results = [];
  for (const token of tokens) {
    paywall.actAs(token);
    results.push(handler({ n: 1 }));
    await new Promise(setImmediate);
  }
  expect(await Promise.all(results)).toEqual([text("agt_1"), text("agt_2")]);
  expect(() => paywall.caller()).toThrow(/takes the last argument of a handler/);
});

describe("arguments", () => {
  const claims = () => ({
    authInfo: { token: stranger },
    requestInfo: { headers: { authorization: `Bearer ${stranger}` } },
    http: { authInfo: { token: stranger } },
    mcpReq: { id: 1, signal: {}, _meta: {}, inputResponses: {} },
    sessionId: undefined,
    signal: {},
    requestId: 1,
    _meta: { "com.licentric/idempotencyKey": "k" },
    city: "Rome",
  });

  it.each([
    ["of a handler that gets nothing else", () => [claims()]],
    ["of a resource's template, taken from its URI", () => ["doc://a", claims()]],
    ["that came as _meta behind them", () => [{ city: "Rome" }, claims()]],
  ])("are no credential: %s", async (_, paramsOf) => {
    const run = vi.fn(async (..._params: unknown[]) => text("ran"));
    const handler = paywall.tool({ meterName: "api_calls" }, run);
    expect(refusalOf(await handler(...paramsOf()))).toMatchObject({ code: "missing_token" });
    expect(run).not.toHaveBeenCalled();
    paywall.expectBilled();
  });

  it("name no call, so that two are two", async () => {
    paywall.actAs(stranger);
    const handler = paywall.tool({ meterName: "api_calls", name: "t" }, async (_args: object) => text("ran"));
    for (let call = 0; call < 2; call++) expect(await handler(claims())).toEqual(text("ran"));
    paywall.expectBilled({}, {});
  });

  it("are what a price is made of, of a handler that gets nothing else", async () => {
    paywall.actAs(stranger);
    const handler = paywall.tool(
      { meterName: "api_calls", quantity: (args: unknown) => z.object({ n: z.number() }).parse(args).n },
      async (_args: { n: number }) => text("ran"),
    );
    expect(await handler({ n: 7 })).toEqual(text("ran"));
    paywall.expectBilled({ quantity: 7 });
  });
});

describe("the process's token, on the official SDKs", () => {
  const register = (server: McpServerV1 | McpServerV2) => {
    const handler = (ctx: unknown) => text(paywall.caller(ctx).agentId);
    if (server instanceof McpServerV1) server.registerTool("t", {}, handler);
    else server.registerTool("t", {}, handler);
  };
  const v1 = () => {
    const server = paywall.protect(new McpServerV1(info), CHARGES);
    register(server);
    return server;
  };
  const v2 = () => {
    const server = paywall.protect(new McpServerV2(info), CHARGES);
    register(server);
    return server;
  };

  it("is used in memory", async () => {
    for (const client of [await connectV1(v1()), await connectV2(v2()), await connectModern(v2)]) {
      expect(await client.callTool({ name: "t" })).toMatchObject(text("agt_of_the_process"));
    }
    expect(failed).toEqual([]);
  });

  /** As a bridge from HTTP that forwards messages and tells nothing of where they come from. */
  function bridge() {
    const answers: unknown[] = [];
    let answered: (() => void) | undefined;
    const transport: {
      onmessage?: (message: unknown) => void;
      onclose?: () => void;
      start(): Promise<void>;
      close(): Promise<void>;
      send(message: unknown): Promise<void>;
    } = {
      start: async () => undefined,
      close: async () => undefined,
      async send(message) {
        answers.push(message);
        answered?.();
      },
    };
    return {
      transport,
      async call(method: string, params: object) {
        const next = new Promise<void>((resolve) => {
          answered = resolve;
        });
        transport.onmessage?.({ jsonrpc: "2.0", id: answers.length + 1, method, params });
        await next;
        return z.object({ result: z.looseObject({}) }).parse(answers.at(-1)).result;
      },
    };
  }
  const initialize = {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "client", version: "1" },
  };

  it.each([
    ["v1, protected", () => v1()],
    ["v2, protected", () => v2()],
    [
      "v1, wrapped",
      () => {
        const server = new McpServerV1(info);
        server.registerTool(
          "t",
          {},
          paywall.tool({ meterName: "api_calls" }, async () => text("ran")),
        );
        return server;
      },
    ],
    [
      "v2, wrapped",
      () => {
        const server = new McpServerV2(info);
        server.registerTool(
          "t",
          {},
          paywall.tool({ meterName: "api_calls" }, async () => text("ran")),
        );
        return server;
      },
    ],
  ])("is not used behind a transport that tells nothing of HTTP: %s", async (_, build) => {
    const { transport, call } = bridge();
    await build().connect(transport as never);
    await call("initialize", initialize);
    const refused = await call("tools/call", { name: "t", arguments: {} });
    expect(refusalOf(refused)).toMatchObject({ code: "missing_token" });
    paywall.expectBilled();
  });

  it.each([
    ["v1", () => v1().connect(new ServerStdioV1(socket, socket))],
    ["v2", () => v2().connect(new ServerStdioV2(socket, socket))],
  ])("is not used where the stdio transport reads a socket: %s", async (_, connect) => {
    socket = new PassThrough();
    await connect();
    const answer = new Promise<string>((resolve) => {
      socket.on("data", (chunk: Buffer) => {
        const line = chunk.toString();
        if (line.includes('"result"') && line.includes('"id":2')) resolve(line);
      });
    });
    socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: initialize })}\n`);
    const params = { name: "t", arguments: {} };
    socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tools/call", params })}\n`);
    expect(await answer).toContain("missing_token");
    paywall.expectBilled();
  });
  let socket: PassThrough;

  it.each(["v1", "v2"])("is used over stdio, tools wrapped one by one: %s", async (sdk) => {
    const api = await startStandIn();
    const token = api.ledger.authorize("agt_of_the_process");
    const program = inject("paywallPrograms")["stdio-tools"];
    const env = { ...process.env, LICENTRIC_BASE_URL: api.url, LICENTRIC_AGENT_TOKEN: token };
    const server = {
      command: process.execPath,
      args: [program, sdk],
      env: z.record(z.string(), z.string()).parse(env),
    };
    const client = sdk === "v1" ? new ClientV1(info) : new ClientV2(info);
    if (client instanceof ClientV1) await client.connect(new StdioV1(server));
    else await client.connect(new StdioV2(server));
    expect(await client.callTool({ name: "t" })).toMatchObject(text("agt_of_the_process"));
    expect(api.ledger.usage).toMatchObject([{ agentId: "agt_of_the_process" }]);
    await client.close();
    await api.close();
  });
});
