import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createPaywall, type Paywall, type PaywallEvents, RefusedRequestError } from "../src/index.ts";
import { createTestPaywall } from "../src/testing.ts";
import { connectV1, connectV2, refusalOf, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// What frameworks hand to their handlers. `compat` runs the real ones; here is what is told apart, and what is not.

let api: StandIn;
let token: string;
beforeAll(async () => {
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
});
afterAll(() => api.close());

let paywall: Paywall;
let failed: PaywallEvents["failed"][];
beforeEach(() => {
  vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  paywall = createPaywall({ baseUrl: api.url });
  failed = [];
  paywall.on("failed", (event) => failed.push(event));
});
afterEach(async () => {
  await paywall.close();
  vi.restoreAllMocks();
});

const fn = () => undefined;
const { signal } = new AbortController();
const headersOf = (sent: string | undefined) =>
  new Headers(sent === undefined ? {} : { authorization: `Bearer ${sent}` });
const sdkContext = (sent: string | undefined) => ({
  mcpReq: { id: 1, signal, send: fn, notify: fn },
  http: { req: { headers: headersOf(sent) } },
});
const fastMcp = (session: unknown) => ({
  client: { version: {} },
  elicit: fn,
  log: { debug: fn, error: fn, info: fn, warn: fn },
  reportProgress: fn,
  requestId: undefined,
  session,
  sessionId: undefined,
  signal,
  streamContent: fn,
});

/** The contexts of FastMCP 4.20.16, Mastra 2.0.0, mcp-nest 2.0.5 and mcp-lite 0.10.0, where an agent sent a token or none. */
const KNOWN: [string, (sent: string | undefined) => object][] = [
  ["FastMCP, whose authenticate returns the token", (sent) => fastMcp(sent && { token: sent })],
  ["FastMCP, whose authenticate is its OAuth", (sent) => fastMcp(sent && { accessToken: sent })],
  [
    "FastMCP, whose authenticate returns the headers",
    (sent) => fastMcp({ headers: sent === undefined ? {} : { authorization: `Bearer ${sent}` } }),
  ],
  [
    "Mastra",
    (sent) => ({
      requestContext: new Map(),
      abortSignal: signal,
      mcp: {
        protocolVersion: "2026-07-28",
        extra: { ...sdkContext(sent), signal, requestId: 1, sendNotification: fn, sendRequest: fn },
        elicitation: { sendRequest: fn },
      },
    }),
  ],
  [
    "mcp-nest",
    (sent) => ({
      args: [{}, {}, { transport: "streamable-http", stateless: true }, {}, sdkContext(sent)],
      getArgByIndex: fn,
      getRawRequest: fn,
      getSession: fn,
      reportProgress: fn,
      log: {},
    }),
  ],
  [
    "mcp-lite",
    (sent) => ({
      request: {},
      authInfo: sent === undefined ? undefined : { token: sent },
      requestId: 1,
      env: {},
      state: {},
      validate: fn,
      elicit: fn,
      sample: fn,
    }),
  ],
];

describe.each(KNOWN)("a tool of %s, without any option", (_, contextOf) => {
  it("is billed to the agent that sent its token", async () => {
    const before = api.ledger.usage.length;
    const handler = paywall.tool({ meterName: "api_calls" }, async (_args: object, context: object) =>
      text(paywall.caller(context).agentId),
    );
    expect(await handler({}, contextOf(token))).toEqual(text("agt_1"));
    expect(api.ledger.usage.slice(before)).toMatchObject([{ agentId: "agt_1", quantity: 1 }]);
  });

  it("is refused for want of a token where the agent sent none, which is no fault of the owner's", async () => {
    const run = vi.fn(async (_args: object, _context: object) => text("ran"));
    const result = await paywall.tool({ meterName: "api_calls" }, run)({}, contextOf(undefined));
    expect(refusalOf(result)).toMatchObject({ code: "missing_token" });
    expect(run).not.toHaveBeenCalled();
    expect(failed).toEqual([]);
  });
});

/** One property or another of a known context, of frameworks that nobody has heard of. */
const UNKNOWN: [string, unknown[]][] = [
  ["none", [{ city: "Rome" }]],
  [
    "a session with a token, and no other trace of FastMCP",
    [{}, { session: { token: "AGT-0123456789" }, fn }],
  ],
  ["authInfo alone, and nothing that could not be another's", [{}, { request: {}, fn }]],
  ["an extra without the functions of the SDK", [{}, { requestContext: {}, fn, mcp: { extra: { signal } } }]],
  ["a function of Nest's, and no context of the SDK", [{}, { getRawRequest: fn, args: [] }]],
];

describe.each(UNKNOWN)("a tool whose context is not known: %s", (_, params) => {
  it("is refused as the owner's fault, who is told once what to do", async () => {
    const run = vi.fn(async (..._params: unknown[]) => text("ran"));
    const handler = paywall.tool({ meterName: "api_calls" }, run);
    for (let call = 0; call < 2; call++) {
      expect(refusalOf(await handler(...params))).toMatchObject({ code: "misconfigured" });
    }
    expect(run).not.toHaveBeenCalled();
    expect(failed).toMatchObject([{ reason: expect.stringMatching(/Say where the agent's token is/) }]);
    expect(process.emitWarning).toHaveBeenCalledTimes(1);
  });

  it("is charged where the owner says where the token is, and the agent's fault where it sent none", async () => {
    const seen: unknown[] = [];
    const own = createPaywall({
      baseUrl: api.url,
      token({ context }) {
        seen.push(context);
        return seen.length === 1 ? token : undefined;
      },
    });
    const handler = own.tool({ meterName: "api_calls" }, async (..._params: unknown[]) => text("ran"));
    expect(await handler(...params)).toEqual(text("ran"));
    expect(refusalOf(await handler(...params))).toMatchObject({ code: "missing_token" });
    expect(seen).toEqual(params.length === 1 ? [undefined, undefined] : [params[1], params[1]]);
    await own.close();
  });
});

describe('refusals: "throw"', () => {
  it("throws what a framework makes an error of, and runs nothing", async () => {
    const throwing = createTestPaywall({ refusals: "throw" });
    throwing.actAs(null);
    const run = vi.fn(async (_args: object) => "ran");
    const refused = throwing.tool({ meterName: "api_calls" }, run)({});
    await expect(refused).rejects.toThrow(RefusedRequestError);
    await expect(refused).rejects.toMatchObject({ code: 6001, data: { code: "missing_token" } });
    expect(run).not.toHaveBeenCalled();
  });

  it("leaves protected servers their error results", async () => {
    const throwing = createTestPaywall({ refusals: "throw" });
    throwing.actAs(null);
    const server = throwing.protect(new McpServerV1({ name: "server", version: "1" }), {
      tools: { t: { meterName: "api_calls" } },
    });
    server.registerTool("t", {}, () => text("ran"));
    const client = await connectV1(server);
    expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({ code: "missing_token" });
  });
});

describe("a framework that puts a function of its own in the place of the handlers' set", () => {
  /** As skybridge does, and as one does that goes round what was there before. */
  const REPLACED: [
    string,
    (handlers: Map<string, unknown>) => (method: string, handler: unknown) => unknown,
  ][] = [
    ["which calls the one before", (handlers) => handlers.set.bind(handlers)],
    [
      "which calls the one of every map",
      (handlers) => (method, handler) => Map.prototype.set.call(handlers, method, handler),
    ],
  ];

  it.each(REPLACED)("is guarded in what it installs, %s", async (_, setOf) => {
    const guarding = createTestPaywall();
    const server = guarding.protect(new McpServerV2({ name: "server", version: "1" }), {
      tools: { t: { meterName: "api_calls" } },
    });
    const handlers: unknown = Reflect.get(server.server, "_requestHandlers");
    if (!(handlers instanceof Map)) throw new Error("SDK v2 keeps its request handlers in a map");
    const before = setOf(handlers);
    handlers.set = (method, handler) => {
      before(method, (request: object, context: object) =>
        Reflect.apply(handler, undefined, [request, context]),
      );
      return handlers;
    };
    server.registerTool("t", {}, () => text("ran"));
    const client = await connectV2(server);
    expect(await client.callTool({ name: "t" })).toMatchObject(text("ran"));
    guarding.expectBilled({ meterName: "api_calls", quantity: 1 });
    guarding.actAs(null);
    expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({ code: "missing_token" });
    guarding.expectBilled({ meterName: "api_calls", quantity: 1 });
  });
});
