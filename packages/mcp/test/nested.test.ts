import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { Server as LowServerV2, McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type ChargeOptions, IDEMPOTENCY_META_KEY } from "../src/index.ts";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";
import { connectV1, connectV2, refusalOf, text } from "./connect.ts";

// A handler that calls others: what costs nothing pays for nothing.

const info = { name: "server", version: "1" };
const MODES = ["call", "success", "reserve"] as const;
type Caller = (...params: unknown[]) => unknown;

function callable(handler: unknown): Caller {
  if (typeof handler !== "function") throw new Error("a plain tool has a plain handler");
  return (...params) => Reflect.apply(handler, undefined, params);
}

const OUTER: readonly (readonly [string, ChargeOptions | false])[] = [
  ["is free", false],
  ["is verified only", {}],
  ["costs 0", { meterName: "calls", quantity: 0 }],
  ["costs 0 by its arguments", { meterName: "calls", quantity: () => 0 }],
  ["costs 0 after its success", { meterName: "calls", quantity: 0, charge: "success" }],
  ["costs 0 and holds", { meterName: "calls", quantity: 0, charge: "reserve" }],
];

describe.each(OUTER)("a tool that %s", (_, outer) => {
  describe.each(MODES)("and calls one that is charged by %s", (charge) => {
    const charges = (inner: ChargeOptions) => ({ tools: { outer, paid: inner } });
    const paid: ChargeOptions = { meterName: "rows", quantity: 7, charge };

    it("v1: is no way around its price", async () => {
      const paywall = createTestPaywall();
      const server = new McpServerV1(info);
      const tool = server.registerTool("paid", {}, () => text("ran"));
      server.registerTool("outer", {}, async (extra) => {
        await callable(tool.handler)(extra);
        return text("done");
      });
      paywall.protect(server, charges(paid));
      expect(await (await connectV1(server)).callTool({ name: "outer" })).toEqual(text("done"));
      paywall.expectBilled({ meterName: "rows", quantity: 7 });
    });

    it.each(["handler", "executor"] as const)("v2: is no way around its price by its %s", async (key) => {
      const paywall = createTestPaywall();
      const server = new McpServerV2(info);
      const tool = server.registerTool("paid", { inputSchema: z.object({ n: z.number() }) }, ({ n }) =>
        text(`ran ${n}`),
      );
      server.registerTool("outer", {}, async (ctx) => {
        expect(await callable(tool[key])({ n: 3 }, ctx)).toEqual(text("ran 3"));
        return text("done");
      });
      paywall.protect(server, charges(paid));
      const client = await connectV2(server);
      expect(await client.callTool({ name: "outer" })).toMatchObject(text("done"));
      paywall.expectBilled({ meterName: "rows", quantity: 7 });
      // And what it calls itself is billed as ever.
      expect(await client.callTool({ name: "paid", arguments: { n: 1 } })).toMatchObject(text("ran 1"));
      paywall.expectBilled({ quantity: 7 }, { quantity: 7 });
    });

    it("v2: nor where its handler was replaced, or wrapped in paywall.tool", async () => {
      const paywall = createTestPaywall();
      const server = new McpServerV2(info);
      const replaced = server.registerTool("paid", {}, () => text("old"));
      const wrapped = server.registerTool(
        "wrapped",
        {},
        paywall.tool(paid, async (_: object) => text("ran")),
      );
      server.registerTool("outer", {}, async (ctx) => {
        expect(await callable(replaced.handler)(ctx)).toEqual(text("new"));
        expect(await callable(wrapped.handler)(ctx)).toEqual(text("ran"));
        return text("done");
      });
      paywall.protect(server, charges(paid));
      replaced.update({ callback: () => text("new") });
      expect(await (await connectV2(server)).callTool({ name: "outer" })).toMatchObject(text("done"));
      paywall.expectBilled({ quantity: 7 }, { quantity: 7 });
    });

    it("is none where its own name is the one that is called", async () => {
      const paywall = createTestPaywall();
      const server = new McpServerV1(info);
      const inner = paywall.tool({ ...paid, name: "outer" }, async (_: object) => text("ran"));
      const dear = paywall.tool({ ...paid, quantity: 100, name: "outer" }, async (_: object) => text("ran"));
      server.registerTool("outer", {}, async (extra) => {
        await inner(extra);
        await dear(extra);
        return text("done");
      });
      paywall.protect(server, { tools: { outer } });
      expect(await (await connectV1(server)).callTool({ name: "outer" })).toEqual(text("done"));
      paywall.expectBilled({ quantity: 7 }, { quantity: 100 });
    });
  });
});

it.each(MODES)(
  "a low-level server's handler that is charged has what it calls in its price, charge %s",
  async (charge) => {
    const paywall = createTestPaywall();
    const server = new LowServerV2(info, { capabilities: { tools: {} } });
    const inner = paywall.tool({ meterName: "rows", quantity: 7 }, async (_: object) => text("ran"));
    paywall.protect(server, { tools: { paid: { meterName: "api_calls", charge } }, default: {} });
    server.setRequestHandler("tools/call", (_, ctx) => inner(ctx));
    const client = await connectV2(server);
    await client.callTool({ name: "paid" });
    paywall.expectBilled({ meterName: "api_calls" });
    await client.callTool({ name: "other" });
    paywall.expectBilled({ meterName: "api_calls" }, { meterName: "rows", quantity: 7 });
  },
);

describe.each(MODES)("a free tool that calls a charged one several times, charge %s", (charge) => {
  const paid: ChargeOptions<{ n: number }> = { meterName: "rows", quantity: ({ n }) => n, charge };
  const charges = { tools: { batch: false, paid } } as const;
  const items = z.object({ items: z.array(z.number()) });
  const item = z.object({ n: z.number() });

  it.each([
    [
      [0, 100, 1_000],
      [100, 1_000],
    ],
    [
      [5, 0, 5],
      [5, 5],
    ],
  ])("v1: bills each by its own arguments: %j", async (sent, billed) => {
    const paywall = createTestPaywall();
    const server = new McpServerV1(info);
    const tool = server.registerTool("paid", { inputSchema: item.shape }, () => text("ran"));
    server.registerTool("batch", { inputSchema: items.shape }, async ({ items }, extra) => {
      for (const n of items) expect(await callable(tool.handler)({ n }, extra)).toEqual(text("ran"));
      return text("done");
    });
    paywall.protect(server, charges);
    const client = await connectV1(server);
    expect(await client.callTool({ name: "batch", arguments: { items: sent } })).toEqual(text("done"));
    paywall.expectBilled(...billed.map((quantity) => ({ meterName: "rows", quantity })));
  });

  it("v2: bills each by its own arguments", async () => {
    const paywall = createTestPaywall();
    const server = new McpServerV2(info);
    const tool = server.registerTool("paid", { inputSchema: item }, () => text("ran"));
    server.registerTool("batch", { inputSchema: items }, async ({ items }, ctx) => {
      for (const n of items) expect(await callable(tool.handler)({ n }, ctx)).toEqual(text("ran"));
      return text("done");
    });
    paywall.protect(server, charges);
    const client = await connectV2(server);
    const called = await client.callTool({ name: "batch", arguments: { items: [0, 100, 1_000] } });
    expect(called).toMatchObject(text("done"));
    paywall.expectBilled({ quantity: 100 }, { quantity: 1_000 });
  });

  it("bills a tool that costs nothing and calls itself with more", async () => {
    const paywall = createTestPaywall();
    const server = new McpServerV1(info);
    let itself: unknown;
    const run = async (n: number, extra: unknown) => {
      if (n === 0) expect(await callable(itself)({ n: 100 }, extra)).toEqual(text("ran"));
      return text("ran");
    };
    const tool = server.registerTool("paid", { inputSchema: item.shape }, ({ n }, extra) => run(n, extra));
    paywall.protect(server, charges);
    itself = tool.handler;
    const client = await connectV1(server);
    expect(await client.callTool({ name: "paid", arguments: { n: 0 } })).toEqual(text("ran"));
    paywall.expectBilled({ quantity: 100 });
  });
});

it("lets nobody in by a call of another that has the same signal", async () => {
  const paywall = createTestPaywall();
  const { signal } = new AbortController();
  const handler = paywall.tool({ name: "t" }, async (_: object) => text("ran"));
  expect(await handler({ signal, requestId: 1 })).toEqual(text("ran"));
  paywall.actAs(null);
  expect(await handler({ signal, requestId: 2 })).toMatchObject({ isError: true });
});

describe.each(["success", "reserve"] as const)("a tool priced by its result, charge %s", (charge) => {
  it.each([
    ["nothing", 0, []],
    ["something", 3, [{ meterName: "calls", quantity: 3 }]],
  ])("pays for itself alone where that is %s", async (_, used, billed) => {
    const paywall = createTestPaywall();
    const server = new McpServerV1(info);
    const tool = server.registerTool("paid", {}, () => text("ran"));
    server.registerTool("outer", {}, async (extra) => {
      await callable(tool.handler)(extra);
      return text("done");
    });
    const outer = { meterName: "calls", charge, quantity: 9, resultQuantity: () => used };
    paywall.protect(server, { tools: { outer, paid: { meterName: "rows", quantity: 7 } } });
    expect(await (await connectV1(server)).callTool({ name: "outer" })).toEqual(text("done"));
    paywall.expectBilled({ meterName: "rows", quantity: 7 }, ...billed);
  });
});

describe.each(MODES)("a keyed call of a tool that calls a charged one, charge %s", (charge) => {
  const paid: ChargeOptions<{ n: number }> = { meterName: "rows", quantity: ({ n }) => n, charge };
  const item = z.object({ n: z.number() });
  const keyed = { name: "batch", _meta: { [IDEMPOTENCY_META_KEY]: "k" } };

  const protect = (paywall: TestPaywall, batch: ChargeOptions | false, sent: readonly number[]) => {
    const server = new McpServerV1(info);
    const runs = { paid: 0, batch: 0 };
    const tool = server.registerTool("paid", { inputSchema: item.shape }, ({ n }) =>
      text(`ran ${n} ${++runs.paid}`),
    );
    server.registerTool("batch", {}, async (extra) => {
      runs.batch++;
      const results = await Promise.all(sent.map((n) => callable(tool.handler)({ n }, extra)));
      return text(JSON.stringify(results));
    });
    paywall.protect(server, { tools: { batch, paid } });
    return { server, runs };
  };

  it.each<[string, ChargeOptions | false, number]>([
    ["free for everybody", false, 2],
    ["verified only", {}, 1],
    ["charged 0", { meterName: "calls", quantity: 0 }, 1],
  ])("bills each once, and its repetition nothing: %s", async (_, batch, batches) => {
    const paywall = createTestPaywall();
    const { server, runs } = protect(paywall, batch, [5, 6, 5]);
    const client = await connectV1(server);
    const first = await client.callTool(keyed);
    expect(JSON.stringify(first)).toMatch(/ran 5 .*ran 6 .*ran 5 /);
    expect(await client.callTool(keyed)).toEqual(first);
    expect(runs).toEqual({ paid: 3, batch: batches });
    const quantities = paywall.billed.map(({ quantity }) => quantity).sort();
    expect(quantities).toEqual([5, 5, 6]);
  });

  it("bills each once where a wrapped handler calls others, and its repetition nothing", async () => {
    const paywall = createTestPaywall();
    let runs = 0;
    const inner = paywall.tool({ ...paid, name: "paid" }, async ({ n }: { n: number }, _: object) =>
      text(`ran ${n} ${++runs}`),
    );
    const batch = async (context: object) =>
      text(JSON.stringify([await inner({ n: 5 }, context), await inner({ n: 6 }, context)]));
    for (const [key, handler] of [
      ["wrapped", paywall.tool({ name: "batch" }, batch)],
      ["bare", batch],
    ] as const) {
      const context = () => ({
        signal: new AbortController().signal,
        _meta: { [IDEMPOTENCY_META_KEY]: key },
      });
      const first = await handler(context());
      expect(await handler(context())).toEqual(first);
    }
    paywall.expectBilled({ quantity: 5 }, { quantity: 6 }, { quantity: 5 }, { quantity: 6 });
    expect(runs).toBe(4);
  });

  it.each(["protected", "unguarded"])("finds each again in another order: %s", async (kind) => {
    const paywall = createTestPaywall();
    const ran: number[] = [];
    const orders = [
      [5, 6, 5],
      [6, 5, 5],
      [5, 5, 6],
    ];
    const wrapped = paywall.tool({ ...paid, name: "paid" }, async ({ n }: { n: number }, _: object) => {
      ran.push(n);
      return text(`ran ${n}`);
    });
    const server = new McpServerV1(info);
    server.registerTool("batch", {}, async (extra) => {
      const results = (orders.shift() ?? []).map((n) => wrapped({ n }, extra));
      return text((await Promise.all(results)).map(({ content }) => content[0]?.text).join());
    });
    if (kind === "protected") paywall.protect(server, { tools: { batch: false } });
    const client = await connectV1(server);
    expect(await client.callTool(keyed)).toEqual(text("ran 5,ran 6,ran 5"));
    expect(await client.callTool(keyed)).toEqual(text("ran 6,ran 5,ran 5"));
    expect(await client.callTool(keyed)).toEqual(text("ran 5,ran 5,ran 6"));
    expect(ran.sort()).toEqual([5, 5, 6]);
    expect(paywall.billed.map(({ quantity }) => quantity).sort()).toEqual([5, 5, 6]);
  });

  it("tries again what was refused, also before what ran", async () => {
    const paywall = createTestPaywall();
    const inner = paywall.tool({ ...paid, name: "paid" }, async ({ n }: { n: number }, _: object) =>
      text(`ran ${n}`),
    );
    const context = () => ({ signal: new AbortController().signal, _meta: { [IDEMPOTENCY_META_KEY]: "k" } });
    const first = context();
    await inner({ n: 5 }, first);
    paywall.refuseWith("rate_limited");
    expect(await inner({ n: 6 }, first)).toMatchObject({ isError: true });
    paywall.refuseWith(undefined);
    const second = context();
    expect(await inner({ n: 6 }, second)).toEqual(text("ran 6"));
    expect(await inner({ n: 5 }, second)).toEqual(text("ran 5"));
    paywall.expectBilled({ quantity: 5 }, { quantity: 6 });
  });

  it("keeps the agent's key to its call where that is the only one", async () => {
    const paywall = createTestPaywall();
    const inner = paywall.tool({ ...paid, name: "paid" }, async ({ n }: { n: number }, _: object) =>
      text(`ran ${n}`),
    );
    const context = () => ({ signal: new AbortController().signal, _meta: { [IDEMPOTENCY_META_KEY]: "k" } });
    expect(await inner({ n: 5 }, context())).toEqual(text("ran 5"));
    expect(await inner({ n: 5 }, context())).toEqual(text("ran 5"));
    expect(refusalOf(await inner({ n: 6 }, context()))).toMatchObject({ code: "idempotency_conflict" });
    paywall.expectBilled({ quantity: 5 });
  });

  it("lets what was refused be tried again by its own key", async () => {
    const paywall = createTestPaywall();
    const inner = paywall.tool({ ...paid, name: "paid" }, async (_args: { n: number }, _context: object) =>
      text("ran"),
    );
    const batch = paywall.tool({ name: "batch" }, async (context: object) => {
      paywall.refuseWith("rate_limited");
      const refused = await inner({ n: 5 }, context);
      paywall.refuseWith(undefined);
      return { ...text("done"), refused, served: await inner({ n: 5 }, context) };
    });
    const context = { signal: new AbortController().signal, _meta: { [IDEMPOTENCY_META_KEY]: "k" } };
    expect(await batch(context)).toMatchObject({ refused: { isError: true }, served: text("ran") });
    paywall.expectBilled({ quantity: 5 });
  });
});
