import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { CallToolRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { inputRequired, McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { ChargeOptions, PaywallEvents } from "../src/index.ts";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";
import { connectModern, connectV1, connectV2, refusalOf, text } from "./connect.ts";

// Other libraries wrap a server's installed handlers, too: one call, one settlement, whatever wraps what.

type Handler = (request: unknown, context: unknown) => unknown;

/** The installed request handlers, as libraries get at them that both SDKs have no method for. */
function handlersOf(server: McpServerV1 | McpServerV2): Map<string, Handler> {
  const handlers: unknown = Reflect.get(server.server, "_requestHandlers");
  if (!(handlers instanceof Map)) throw new Error("the SDK keeps its handlers elsewhere");
  return handlers;
}

function handlerOf(server: McpServerV1 | McpServerV2, method: string): Handler {
  const handler = handlersOf(server).get(method);
  if (handler === undefined) throw new Error(`there is no handler of ${method}`);
  return handler;
}

type Wrap = (server: McpServerV1 | McpServerV2) => void;

/** As `@posthog/mcp` does it in `instrument(server)`: written straight into the map. */
const instrument: Wrap = (server) => {
  for (const method of ["tools/call", "tools/list"]) {
    const original = handlerOf(server, method);
    handlersOf(server).set(method, async (request, context) => {
      const result = await original(request, context);
      return result;
    });
  }
};

/** By the SDKs' own method. */
const setRequestHandler: Wrap = (server) => {
  const original = handlerOf(server, "tools/call");
  // Whatever comes back came from the SDK's own handler.
  if (server instanceof McpServerV1)
    server.server.setRequestHandler(CallToolRequestSchema, (r, x) => original(r, x) as never);
  else server.server.setRequestHandler("tools/call", (r, x) => original(r, x) as never);
};

/** A time limit: the context that goes in has another signal. */
const limitTime: Wrap = (server) => {
  const original = handlerOf(server, "tools/call");
  const limit = (signal: unknown) =>
    signal instanceof AbortSignal ? AbortSignal.any([signal, AbortSignal.timeout(60_000)]) : signal;
  handlersOf(server).set("tools/call", (request, context) => {
    if (typeof context !== "object" || context === null) throw new Error("a request has a context");
    const mcpReq: unknown = Reflect.get(context, "mcpReq");
    const limited =
      typeof mcpReq === "object" && mcpReq !== null
        ? { mcpReq: { ...mcpReq, signal: limit(Reflect.get(mcpReq, "signal")) } }
        : { signal: limit(Reflect.get(context, "signal")) };
    return original(request, { ...context, ...limited });
  });
};

/** The same, by a context of its own that has nothing but what a handler is known to need (v1). */
const limitBarely: Wrap = (server) => {
  if (!(server instanceof McpServerV1)) return limitTime(server);
  const original = handlerOf(server, "tools/call");
  handlersOf(server).set("tools/call", (request, context) => {
    if (typeof context !== "object" || context === null) throw new Error("a request has a context");
    const [signal, authInfo, meta] = ["signal", "authInfo", "_meta"].map((name) =>
      Reflect.get(context, name),
    );
    const limited = AbortSignal.any([signal, AbortSignal.timeout(60_000)]);
    return original(request, { signal: limited, authInfo, _meta: meta });
  });
};

const protectWith = (paywall: TestPaywall, charge: ChargeOptions): Wrap => {
  return (server) => void paywall.protect(server, { tools: { t: charge } });
};

type Order = readonly (Wrap | "protect")[];
const ORDERS: readonly (readonly [string, Order])[] = [
  ["nothing else", ["protect"]],
  ["an instrument after", ["protect", instrument]],
  ["an instrument before", [instrument, "protect"]],
  ["a context of its own after", ["protect", limitBarely]],
  ["a context of its own before", [limitBarely, "protect"]],
  ["setRequestHandler after", ["protect", setRequestHandler]],
  ["setRequestHandler before", [setRequestHandler, "protect"]],
  ["a time limit after", ["protect", limitTime]],
  ["a time limit before", [limitTime, "protect"]],
  ["several after", ["protect", instrument, setRequestHandler, limitTime, instrument]],
  ["several around", [instrument, setRequestHandler, "protect", limitTime, instrument]],
];

const CHARGES: readonly ChargeOptions[] = [
  { meterName: "api_calls", charge: "call" },
  { meterName: "api_calls", charge: "success" },
  { meterName: "api_calls", charge: "success", resultQuantity: () => 3, quantity: 9 },
  { meterName: "api_calls", charge: "reserve" },
  { meterName: "api_calls", charge: "reserve", resultQuantity: () => 3, quantity: 9 },
  { meterName: "api_calls", charge: "success", enforceBudget: true },
];

const inputSchema = { n: z.number().optional() };

/** A server with a tool `t`, wrapped and protected in an order, and a client of its SDK. */
async function serve(sdk: "v1" | "v2", order: Order, protect: Wrap, run: (n?: number) => object) {
  const info = { name: "server", version: "1" };
  const server = sdk === "v1" ? new McpServerV1(info) : new McpServerV2(info);
  // What the tests' tools answer is a result of either SDK.
  if (server instanceof McpServerV1)
    server.registerTool("t", { inputSchema }, async ({ n }) => run(n) as never);
  else server.registerTool("t", { inputSchema: z.object(inputSchema) }, async ({ n }) => run(n) as never);
  for (const step of order) (step === "protect" ? protect : step)(server);
  return server instanceof McpServerV1 ? connectV1(server) : connectV2(server);
}

describe.each(["v1", "v2"] as const)("%s", (sdk) => {
  describe.each(ORDERS)("with %s", (_, order) => {
    it.each(CHARGES)("settles a call once: %o", async (charge) => {
      const paywall = createTestPaywall();
      const metered: PaywallEvents["metered"][] = [];
      paywall.on("metered", (event) => metered.push(event));
      let runs = 0;
      const client = await serve(sdk, order, protectWith(paywall, charge), () => text(`ran ${++runs}`));
      for (let call = 1; call <= 2; call++) {
        expect(await client.callTool({ name: "t", arguments: {} })).toMatchObject(text(`ran ${call}`));
        expect(metered.map(({ quantity }) => quantity)).toEqual(
          Array.from({ length: call }, () => (charge.resultQuantity === undefined ? 1 : 3)),
        );
        expect(paywall.billed).toHaveLength(call);
      }
    });

    it("settles a failure once, asks the API no more often, and says once who called", async () => {
      const paywall = createTestPaywall();
      const verified: unknown[] = [];
      paywall.on("verified", (event) => verified.push(event));
      const charge = { meterName: "api_calls", charge: "reserve" } as const;
      const client = await serve(sdk, order, protectWith(paywall, charge), () => {
        throw new Error("thrown");
      });
      expect(await client.callTool({ name: "t", arguments: {} })).toMatchObject({ isError: true });
      expect(verified).toHaveLength(1);
      paywall.expectBilled();
    });

    it("refuses once, in the shape that the agent understands", async () => {
      const paywall = createTestPaywall();
      const denied: unknown[] = [];
      paywall.on("denied", (event) => denied.push(event));
      paywall.actAs(null);
      let runs = 0;
      const client = await serve(sdk, order, protectWith(paywall, { meterName: "api_calls" }), () =>
        text(`ran ${++runs}`),
      );
      const refused = await client.callTool({ name: "t", arguments: {} });
      expect(refusalOf(refused)).toMatchObject({ code: "missing_token" });
      expect(denied).toHaveLength(1);
      expect(runs).toBe(0);
    });

    it("gives a repetition under the agent's key the first result", async () => {
      const paywall = createTestPaywall();
      let runs = 0;
      const charge = { meterName: "api_calls", charge: "success" } as const;
      const client = await serve(sdk, order, protectWith(paywall, charge), () => text(`ran ${++runs}`));
      const keyed = { name: "t", arguments: {}, _meta: { "com.licentric/idempotencyKey": "k" } };
      for (let call = 0; call < 3; call++) expect(await client.callTool(keyed)).toMatchObject(text("ran 1"));
      paywall.expectBilled({ quantity: 1 });
    });

    it("bills a handler that its own tool() guards once, at its own price", async () => {
      const paywall = createTestPaywall();
      const info = { name: "server", version: "1" };
      const handler = paywall.tool(
        { meterName: "rows", quantity: 7, charge: "success" },
        async (context: object) => text(paywall.caller(context).agentId),
      );
      const server = sdk === "v1" ? new McpServerV1(info) : new McpServerV2(info);
      if (server instanceof McpServerV1) server.registerTool("t", {}, handler);
      else server.registerTool("t", {}, handler);
      const protect: Wrap = (it) =>
        void paywall.protect(it, { default: { meterName: "calls", charge: "success" } });
      for (const step of order) (step === "protect" ? protect : step)(server);
      const client = server instanceof McpServerV1 ? await connectV1(server) : await connectV2(server);
      expect(await client.callTool({ name: "t", arguments: {} })).toMatchObject(text("agt_test"));
      paywall.expectBilled({ meterName: "rows", quantity: 7 });
    });
  });

  it("bills two calls at once twice, although they run in one another's time", async () => {
    const paywall = createTestPaywall();
    const client = await serve(
      sdk,
      ["protect", instrument],
      protectWith(paywall, { meterName: "api_calls", charge: "success" }),
      () => text("ran"),
    );
    await Promise.all(Array.from({ length: 5 }, () => client.callTool({ name: "t", arguments: {} })));
    expect(paywall.billed).toHaveLength(5);
  });

  it("bills a call of another protected server from inside of a wrapped one by itself", async () => {
    const paywall = createTestPaywall();
    const charge = { meterName: "api_calls", charge: "success" } as const;
    const inner = await serve(sdk, ["protect", instrument], protectWith(paywall, charge), () =>
      text("inner"),
    );
    const outer = await serve(sdk, ["protect", instrument], protectWith(paywall, charge), async () =>
      inner.callTool({ name: "t", arguments: {} }),
    );
    expect(await outer.callTool({ name: "t", arguments: {} })).toMatchObject(text("inner"));
    paywall.expectBilled({ quantity: 1 }, { quantity: 1 });
  });
});

it.each(["call", "success", "reserve"] as const)(
  "a wrapped call of two rounds is billed once, charge %s",
  async (charge) => {
    const paywall = createTestPaywall();
    const build = () => {
      const server = new McpServerV2({ name: "server", version: "1" });
      server.registerTool("t", {}, async (ctx) =>
        ctx.mcpReq.requestState() === undefined ? inputRequired({ requestState: "sure" }) : text("ran"),
      );
      paywall.protect(server, { tools: { t: { meterName: "api_calls", charge } } });
      instrument(server);
      return server;
    };
    const client = await connectModern(build);
    expect(await client.callTool({ name: "t" })).toMatchObject(text("ran"));
    paywall.expectBilled({ quantity: 1 });
  },
);

/** Answers by itself, and lets the tool run on: what a time limit does that comes too soon. */
const answerAtOnce: Wrap = (server) => {
  const original = handlerOf(server, "tools/call");
  handlersOf(server).set("tools/call", async (request, context) => {
    void Promise.resolve(original(request, context)).catch(() => undefined);
    return text("at once");
  });
};

it.each([
  ["v1", "call"],
  ["v1", "success"],
  ["v1", "reserve"],
  ["v2", "call"],
  ["v2", "success"],
  ["v2", "reserve"],
] as const)(
  "%s: what runs on after its request was answered is in its one bill, charged by %s",
  async (sdk, charge) => {
    const paywall = createTestPaywall();
    let hasEnded = false;
    let goOn: () => void = () => expect.unreachable();
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const run = async () => {
      await held;
      hasEnded = true;
      return text("late");
    };
    const info = { name: "server", version: "1" };
    const server = sdk === "v1" ? new McpServerV1(info) : new McpServerV2(info);
    if (server instanceof McpServerV1) server.registerTool("t", {}, run);
    else server.registerTool("t", {}, run);
    paywall.protect(server, { tools: { t: { meterName: "api_calls", charge } } });
    answerAtOnce(server);
    const client = server instanceof McpServerV1 ? await connectV1(server) : await connectV2(server);
    expect(await client.callTool({ name: "t" })).toMatchObject(text("at once"));
    expect(paywall.billed).toHaveLength(1);
    goOn();
    // It waits for what runs on.
    await paywall.close();
    expect(hasEnded).toBe(true);
    expect(paywall.billed).toHaveLength(1);
  },
);
