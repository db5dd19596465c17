import { inspect } from "node:util";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { ChargeOptions, HandlerContext, PaywallEvents } from "../src/index.ts";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";
import { connectV1, refusalOf } from "./connect.ts";

let runs = 0;
// biome-ignore lint/suspicious/noExplicitAny: charges of many shapes for one server
async function serve(paywall: TestPaywall, charge: ChargeOptions<any, any>) {
  const server = new McpServer({ name: "server", version: "1" });
  server.registerTool("t", { inputSchema: { pages: z.number() } }, async ({ pages }, extra) => {
    runs++;
    if (pages < 0) return { content: [], isError: true };
    const { agentId, budget } = paywall.caller(extra);
    return { content: [{ type: "text", text: agentId }], _meta: { mine: budget?.status ?? null } };
  });
  paywall.protect(server, { tools: { t: charge } });
  const client = await connectV1(server);
  runs = 0;
  const failed: PaywallEvents["failed"][] = [];
  paywall.on("failed", (event) => failed.push(event));
  return {
    failed,
    client,
    call: (pages = 1, options = {}) =>
      client.callTool({ name: "t", arguments: { pages } }, undefined, options),
  };
}

describe("meterName and quantity", () => {
  it("can be functions of the arguments", async () => {
    const paywall = createTestPaywall();
    const { call } = await serve(paywall, {
      meterName: ({ pages }: { pages: number }) => (pages > 10 ? "bulk" : "rows"),
      quantity: ({ pages }: { pages: number }) => pages,
    });
    await call(3);
    await call(30);
    paywall.expectBilled({ meterName: "rows", quantity: 3 }, { meterName: "bulk", quantity: 30 });
  });

  it("can be functions of the caller, at one request a call once it is known", async () => {
    const paywall = createTestPaywall();
    const seen: unknown[] = [];
    paywall.on("verified", ({ source }) => seen.push(source));
    const { call } = await serve(paywall, {
      meterName: "rows",
      quantity: (_: unknown, caller: { scopes: readonly string[] }) =>
        caller.scopes.includes("vip") ? 1 : 2,
    });
    await call();
    await call();
    paywall.actAs(paywall.authorize("agt_vip", { scopes: ["vip"] }));
    await call();
    paywall.expectBilled({ quantity: 2 }, { quantity: 2 }, { agentId: "agt_vip", quantity: 1 });
    // First of an agent: one to know it, one to bill; from then on one.
    expect(seen).toHaveLength(5);
  });

  it("can be functions that catch what they read of a caller who is not known yet", async () => {
    const paywall = createTestPaywall();
    const { call } = await serve(paywall, {
      meterName: "rows",
      quantity: (_: unknown, caller: { agentId: string }) => {
        try {
          return caller.agentId === "agt_test" ? 9 : 1;
        } catch {
          return 0;
        }
      },
    });
    await call();
    paywall.expectBilled({ quantity: 9 });
  });

  it("tells the owner of a wrong price without the argument or the result that it came of", async () => {
    const paywall = createTestPaywall();
    const secret = ({ pages }: { pages: number }) => `Secret ${pages}` as unknown as number;
    const charges = [
      { meterName: (args: { pages: number }) => String(secret(args)) },
      { meterName: "rows", quantity: secret },
      { meterName: "rows", resultQuantity: (_: unknown, args: { pages: number }) => secret(args) },
    ];
    for (const charge of charges) {
      const { call, failed } = await serve(paywall, charge);
      await call(987_654);
      expect(failed).toHaveLength(1);
      expect(inspect(failed, { depth: null, showHidden: true })).not.toContain("987654");
    }
  });

  it("bills nothing for 0, and verifies the caller all the same", async () => {
    const paywall = createTestPaywall();
    const { call } = await serve(paywall, { meterName: "rows", quantity: 0 });
    expect((await call()).content).toEqual([{ type: "text", text: "agt_test" }]);
    paywall.expectBilled();
    paywall.actAs(null);
    expect(refusalOf(await call())).toMatchObject({ code: "missing_token" });
  });

  it.each([
    ["NaN", () => Number.NaN],
    ["-1", () => -1],
    ["1.5", () => 1.5],
    ["Infinity", () => Number.POSITIVE_INFINITY],
    ["too many", () => 1_000_000_001],
    ["a text", () => "3"],
    [
      "a throw",
      () => {
        throw new Error("no price");
      },
    ],
  ])(
    "refuses before the handler where the price is %s, and tells the owner",
    async (_, quantity: () => unknown) => {
      const paywall = createTestPaywall();
      const { call, failed } = await serve(paywall, {
        meterName: "rows",
        quantity: quantity as () => number,
      });
      expect(refusalOf(await call())).toMatchObject({ code: "misconfigured", status: 500 });
      expect(runs).toBe(0);
      expect(failed).toEqual([
        expect.objectContaining({ reason: expect.stringMatching(/quantity/), name: "t" }),
      ]);
      paywall.expectBilled();
    },
  );
});

describe("resultQuantity", () => {
  it("bills what was used", async () => {
    const paywall = createTestPaywall();
    const { call } = await serve(paywall, {
      meterName: "tokens",
      resultQuantity: (result: { content: unknown[] }, args: { pages: number }) =>
        result.content.length * args.pages,
    });
    await call(5);
    await call(-5);
    paywall.expectBilled({ meterName: "tokens", quantity: 5 });
  });

  it("commits what was used of what was held, and gives the rest back", async () => {
    const paywall = createTestPaywall();
    const { call } = await serve(paywall, {
      meterName: "tokens",
      charge: "reserve",
      quantity: 100,
      resultQuantity: () => 12,
    });
    await call();
    paywall.expectBilled({ meterName: "tokens", quantity: 12 });
  });

  it.each(["success", "reserve"] as const)("releases or skips for 0, charge %s", async (charge) => {
    const paywall = createTestPaywall();
    const { call } = await serve(paywall, {
      meterName: "tokens",
      charge,
      quantity: 9,
      resultQuantity: () => 0,
    });
    await call();
    paywall.expectBilled();
  });

  it("never bills more than was held, and tells the owner", async () => {
    const paywall = createTestPaywall();
    const { call, failed } = await serve(paywall, {
      meterName: "tokens",
      charge: "reserve",
      quantity: 10,
      resultQuantity: () => 1_000,
    });
    await call();
    paywall.expectBilled({ quantity: 10 });
    expect(failed[0]).toMatchObject({
      reason: expect.stringMatching(/1000 units were used and 10 reserved/),
      quantity: 1000,
    });
  });

  it.each([[Number.NaN], [-3], [2.5]])(
    "bills the declared quantity where the answer is %d, so that nothing is lost",
    async (used) => {
      const paywall = createTestPaywall();
      const { call, failed } = await serve(paywall, {
        meterName: "tokens",
        quantity: 4,
        resultQuantity: () => used,
      });
      await call();
      paywall.expectBilled({ quantity: 4 });
      expect(failed[0]).toMatchObject({ reason: expect.stringMatching(/4 units were billed instead/) });
    },
  );
});

describe("budgets", () => {
  it.each(["call", "success", "reserve"] as const)(
    "64 concurrent calls on a budget for 10 run 10 handlers, charge %s",
    async (charge) => {
      const paywall = createTestPaywall();
      paywall.actAs(paywall.authorize("agt_1", { budgets: { api_calls: 10 } }));
      const { call } = await serve(paywall, { meterName: "api_calls", charge, enforceBudget: true });
      const results = await Promise.all(Array.from({ length: 64 }, () => call()));
      expect(runs).toBe(10);
      expect(results.filter((result) => refusalOf(result) === undefined)).toHaveLength(10);
      expect(paywall.billed).toHaveLength(10);
    },
  );

  it("warns the handler, and the agent where the owner wants it, over what the handler says itself", async () => {
    const paywall = createTestPaywall();
    paywall.actAs(paywall.authorize("agt_1", { budgets: { api_calls: 10 } }));
    const { call } = await serve(paywall, { meterName: "api_calls", warnAgent: true, quantity: 4 });
    expect((await call())._meta).toEqual({ mine: "ok" });
    expect((await call())._meta).toMatchObject({
      mine: "warning",
      "com.licentric/budget": { status: "warning", used: 8, limit: 10 },
    });
  });

  it("does not stop at a budget that is not enforced", async () => {
    const paywall = createTestPaywall();
    paywall.actAs(paywall.authorize("agt_1", { budgets: { api_calls: 1 } }));
    const { call } = await serve(paywall, { meterName: "api_calls" });
    await call();
    await call();
    expect(runs).toBe(2);
    paywall.expectBilled({}, {});
  });
});

describe("cancellation", () => {
  async function serveSlow(charge: ChargeOptions) {
    const paywall = createTestPaywall();
    const server = new McpServer({ name: "server", version: "1" });
    let started = () => {};
    const running = new Promise<void>((resolve) => {
      started = resolve;
    });
    let aborted = false;
    server.registerTool("t", {}, async (extra) => {
      started();
      await new Promise<void>((resolve) => extra.signal.addEventListener("abort", () => resolve()));
      aborted = true;
      throw new Error("cancelled");
    });
    paywall.protect(server, { tools: { t: charge } });
    const client = await connectV1(server);
    const controller = new AbortController();
    const call = client.callTool({ name: "t" }, undefined, { signal: controller.signal });
    return { paywall, running, controller, call, isAborted: () => aborted };
  }

  it.each([
    ["call", 1],
    ["success", 0],
    ["reserve", 0],
  ] as const)("reaches the handler, and bills a charge by %s %d times", async (charge, times) => {
    const { paywall, running, controller, call, isAborted } = await serveSlow({
      meterName: "api_calls",
      charge,
    });
    await running;
    controller.abort();
    await expect(call).rejects.toThrow();
    await expect.poll(isAborted).toBe(true);
    await expect.poll(() => paywall.billed.length).toBe(times);
  });

  it.each(["call", "success", "reserve"] as const)(
    "costs nothing before the handler starts, charge %s",
    async (charge) => {
      const paywall = createTestPaywall();
      let ran = false;
      const handler = paywall.tool({ meterName: "api_calls", charge }, async (_extra: HandlerContext) => {
        ran = true;
        return { content: [] };
      });
      const signal = AbortSignal.abort(new Error("gone"));
      await expect(handler({ signal, requestId: 1 })).rejects.toThrow("gone");
      expect(ran).toBe(false);
      paywall.expectBilled();
    },
  );
});
