import { acceptedContent, inputRequired, McpServer, type ServerContext } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { ChargeOptions } from "../src/index.ts";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";
import { connectModern, connectV2, refusalOf, text } from "./connect.ts";

const confirmation = z.object({ confirm: z.boolean() });
const capabilities = { capabilities: { elicitation: {} } };

const MODES: ChargeOptions[] = [
  { meterName: "api_calls", charge: "call" },
  { meterName: "api_calls", charge: "success" },
  { meterName: "api_calls", charge: "reserve" },
];
const FORMS = ["protect", "tool"] as const;

let runs = 0;
const deploy = async (
  { env }: { env: string },
  ctx: { mcpReq: { inputResponses?: Record<string, unknown> } },
) => {
  runs++;
  const confirmed = acceptedContent(ctx.mcpReq.inputResponses, "confirm", confirmation);
  if (confirmed?.confirm === true) return text(`deployed to ${env}`);
  return inputRequired({
    inputRequests: {
      confirm: inputRequired.elicit({ message: "Sure?", requestedSchema: confirmation }),
    },
  });
};

function build(paywall: TestPaywall, form: (typeof FORMS)[number], charge: ChargeOptions): McpServer {
  const server = new McpServer({ name: "server", version: "1" });
  const config = { inputSchema: z.object({ env: z.string() }) };
  if (form === "tool") {
    server.registerTool("deploy", config, paywall.tool({ ...charge, name: "deploy" }, deploy));
    return server;
  }
  server.registerTool("deploy", config, deploy);
  return paywall.protect(server, { tools: { deploy: charge } });
}

const forged = (env = "prod") => ({
  method: "tools/call" as const,
  params: {
    name: "deploy",
    arguments: { env },
    inputResponses: { confirm: { action: "accept", content: { confirm: true } } },
  },
});

describe.each(FORMS)("paywall.%s", (form) => {
  describe.each(MODES)("charge $charge", (charge) => {
    const accept = { action: "accept" as const, content: { confirm: true } };

    it("bills a call of two rounds once, by protocol 2026-07-28", async () => {
      const paywall = createTestPaywall();
      const client = await connectModern(
        () => build(paywall, form, charge),
        capabilities,
        (it) => it.setRequestHandler("elicitation/create", () => accept),
      );
      expect(await client.callTool({ name: "deploy", arguments: { env: "prod" } })).toMatchObject(
        text("deployed to prod"),
      );
      paywall.expectBilled({ quantity: 1 });
      // And the next call, which is honest and identical, is billed again.
      await client.callTool({ name: "deploy", arguments: { env: "prod" } });
      paywall.expectBilled({ quantity: 1 }, { quantity: 1 });
    });

    it("bills a call of two rounds once, by protocol 2025-11-25, where the SDK enters the handler again", async () => {
      const paywall = createTestPaywall();
      const client = await connectV2(build(paywall, form, charge), capabilities, (it) =>
        it.setRequestHandler("elicitation/create", () => accept),
      );
      runs = 0;
      expect(await client.callTool({ name: "deploy", arguments: { env: "prod" } })).toMatchObject(
        text("deployed to prod"),
      );
      expect(runs).toBe(2);
      paywall.expectBilled({ quantity: 1 });
      // Nothing is left over that a forged continuation could spend.
      const other = await connectModern(() => build(paywall, form, charge), capabilities);
      expect(await other.request(forged())).toMatchObject(text("deployed to prod"));
      paywall.expectBilled({}, {});
    });

    it("bills a forged continuation like any call", async () => {
      const paywall = createTestPaywall();
      const client = await connectModern(() => build(paywall, form, charge), capabilities);
      expect(await client.request(forged())).toMatchObject(text("deployed to prod"));
      paywall.expectBilled({ quantity: 1 });
    });

    it("gives one result for one payment, however often the continuation is sent", async () => {
      const paywall = createTestPaywall();
      const client = await connectModern(() => build(paywall, form, charge), {
        ...capabilities,
        inputRequired: { autoFulfill: false },
      });
      await expect(
        client.request({ method: "tools/call", params: { name: "deploy", arguments: { env: "prod" } } }),
      ).rejects.toThrow(/input.required/i);
      for (let attempt = 0; attempt < 3; attempt++) {
        expect(await client.request(forged())).toMatchObject(text("deployed to prod"));
      }
      expect(paywall.billed).toHaveLength(3);
    });

    it("does not let a round that was paid for be spent on other arguments or by another agent", async () => {
      const paywall = createTestPaywall();
      const client = await connectModern(() => build(paywall, form, charge), {
        ...capabilities,
        inputRequired: { autoFulfill: false },
      });
      await expect(
        client.request({ method: "tools/call", params: { name: "deploy", arguments: { env: "dev" } } }),
      ).rejects.toThrow(/input.required/i);
      const paid = paywall.billed.length;
      await client.request(forged("prod"));
      expect(paywall.billed).toHaveLength(paid + 1);
      paywall.actAs(paywall.authorize("agt_other"));
      await client.request(forged("dev"));
      expect(paywall.billed).toHaveLength(paid + 2);
    });
  });
});

it("verifies the caller in every round, and a round that was refused stays paid for", async () => {
  const paywall = createTestPaywall();
  const client = await connectModern(() => build(paywall, "protect", { meterName: "api_calls" }), {
    ...capabilities,
    inputRequired: { autoFulfill: false },
  });
  await expect(
    client.request({ method: "tools/call", params: { name: "deploy", arguments: { env: "prod" } } }),
  ).rejects.toThrow(/input.required/i);
  paywall.expectBilled({ quantity: 1 });
  paywall.refuseWith("billing_unavailable");
  const refused = z
    .looseObject({ _meta: z.record(z.string(), z.unknown()) })
    .parse(await client.request(forged()));
  expect(refusalOf(refused)).toMatchObject({ code: "billing_unavailable" });
  paywall.refuseWith(undefined);
  expect(await client.request(forged())).toMatchObject(text("deployed to prod"));
  paywall.expectBilled({ quantity: 1 });
});

it("lets a handler's own requestState through untouched", async () => {
  const paywall = createTestPaywall();
  const seen: unknown[] = [];
  const client = await connectModern(() => {
    const server = new McpServer({ name: "server", version: "1" });
    server.registerTool("t", {}, async (ctx) => {
      const state = ctx.mcpReq.requestState();
      seen.push(state);
      return state === undefined ? inputRequired({ requestState: "opaque" }) : text("done");
    });
    return paywall.protect(server, { tools: { t: { meterName: "api_calls" } } });
  });
  expect(await client.callTool({ name: "t" })).toMatchObject(text("done"));
  expect(seen).toEqual([undefined, "opaque"]);
  paywall.expectBilled({ quantity: 1 });
});

describe("handlers of one text and no name", () => {
  const sell = (paywall: TestPaywall, price: number, charge: "call" | "success" | "reserve" = "call") =>
    paywall.tool(
      { meterName: "api_calls", charge, quantity: ({ pages }: { pages: number }) => pages * price },
      async (_: { pages: number }, ctx: object) =>
        "done" in ctx ? text("ran") : { resultType: "input_required", ...text("sure?") },
    );
  const round = (state?: string) => ({
    ...(state !== undefined && { done: true }),
    mcpReq: { id: 1, signal: new AbortController().signal, requestState: () => state },
  });

  it("give no more results together than were paid for", async () => {
    const paywall = createTestPaywall();
    const [one, other, dear] = [1, 1, 100].map((price) => sell(paywall, price));
    for (let paid = 0; paid < 2; paid++) await one?.({ pages: 1 }, round());
    paywall.expectBilled({ quantity: 1 }, { quantity: 1 });
    // A round that was paid for is spent on one result, and never on what costs more.
    for (const handler of [dear, other, one, one]) await handler?.({ pages: 1 }, round("sure"));
    paywall.expectBilled({ quantity: 1 }, { quantity: 1 }, { quantity: 100 }, { quantity: 1 });
  });

  it.each(["call", "success", "reserve"] as const)(
    "are each billed at their own price where their owner calls several in one request, charge %s",
    async (charge) => {
      const paywall = createTestPaywall();
      const context = { ...round(), done: true };
      const [one, dear] = [1, 100].map((price) => sell(paywall, price, charge));
      await one?.({ pages: 1 }, context);
      await dear?.({ pages: 1 }, context);
      await one?.({ pages: 7 }, context);
      paywall.expectBilled({ quantity: 1 }, { quantity: 100 }, { quantity: 7 });
    },
  );
});

describe("a framework that hands its own context on", () => {
  type Flat = { inputResponses?: Record<string, unknown> | undefined; requestState: () => unknown };

  // The members that the frameworks' own code takes out of the SDK's context (xmcp 1.1.3, mcp-use 2.5.2).
  const xmcp = (ctx: ServerContext) => ({
    signal: ctx.mcpReq.signal,
    authInfo: ctx.http?.authInfo,
    sessionId: ctx.sessionId,
    _meta: ctx.mcpReq._meta,
    requestId: ctx.mcpReq.id,
    requestInfo: undefined,
    inputResponses: ctx.mcpReq.inputResponses,
    requestState: ctx.mcpReq.requestState,
  });
  const mcpUse = (ctx: ServerContext) => ({
    signal: ctx.mcpReq.signal,
    ...(ctx.mcpReq.inputResponses !== undefined && { inputResponses: ctx.mcpReq.inputResponses }),
    client: { can: () => false },
    requestState: () => ctx.mcpReq.requestState(),
  });

  describe.each([
    ["xmcp", xmcp],
    ["mcp-use", mcpUse],
  ] as const)("%s", (_, flatten) => {
    it.each(MODES)("is billed once for a call of two rounds, charge $charge", async (charge) => {
      const paywall = createTestPaywall();
      const handler = paywall.tool(
        { ...charge, name: "deploy" },
        async ({ env }: { env: string }, ctx: Flat) =>
          deploy(
            { env },
            { mcpReq: ctx.inputResponses === undefined ? {} : { inputResponses: ctx.inputResponses } },
          ),
      );
      const build = () => {
        const server = new McpServer({ name: "server", version: "1" });
        const config = { inputSchema: z.object({ env: z.string() }) };
        server.registerTool("deploy", config, (args, ctx) => handler(args, flatten(ctx)));
        return server;
      };
      const client = await connectModern(build, capabilities, (it) =>
        it.setRequestHandler("elicitation/create", () => ({
          action: "accept" as const,
          content: { confirm: true },
        })),
      );
      for (let call = 1; call <= 2; call++) {
        expect(await client.callTool({ name: "deploy", arguments: { env: "prod" } })).toMatchObject(
          text("deployed to prod"),
        );
        expect(paywall.billed).toHaveLength(call);
      }
    });

    it("is billed once for a call that goes on by its state alone", async () => {
      const paywall = createTestPaywall();
      const handler = paywall.tool({ meterName: "api_calls", name: "t" }, async (ctx: Flat) =>
        ctx.requestState() === undefined ? inputRequired({ requestState: "opaque" }) : text("done"),
      );
      const client = await connectModern(() => {
        const server = new McpServer({ name: "server", version: "1" });
        server.registerTool("t", {}, (ctx) => handler(flatten(ctx)));
        return server;
      });
      expect(await client.callTool({ name: "t" })).toMatchObject(text("done"));
      paywall.expectBilled({ quantity: 1 });
    });
  });
});
