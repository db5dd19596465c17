import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { z } from "zod";
import { createPaywall, type Paywall, type PaywallEvents } from "../src/index.ts";
import { createTestPaywall } from "../src/testing.ts";
import { connectV1, refusalOf, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// How other paywalls fail their users, each shown not to happen here. Charged twice, hanging, outages taken for debts,
// and results delivered although they could not be billed are in outage.test.ts; repetitions, and a cheap tool's payment
// spent on another, in idempotency.test.ts; the price of other arguments in rounds.test.ts; usage lost on its way in
// crash.test.ts and journal-crash.test.ts; refusals that clients reject in traps.test.ts; a budget passed by concurrent
// calls in race.test.ts; currencies without a minor unit in the server's stripe.test.ts.

let api: StandIn;
let token: string;
let paywall: Paywall;
beforeEach(async () => {
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
  paywall = createPaywall({ baseUrl: api.url, token: () => token });
});
afterEach(async () => {
  await paywall.close();
  await api.close();
});

async function clientOf(register: (server: McpServer) => void, protect: Parameters<Paywall["protect"]>[1]) {
  const server = new McpServer({ name: "server", version: "1" });
  register(server);
  paywall.protect(server, protect);
  return connectV1(server);
}

it("does not bill a result that is an error, where success is charged", async () => {
  const client = await clientOf(
    (server) => server.registerTool("t", {}, () => ({ ...text("no"), isError: true })),
    {
      tools: { t: { meterName: "api_calls", charge: "success" } },
    },
  );
  expect(await client.callTool({ name: "t" })).toEqual({ ...text("no"), isError: true });
  expect(api.ledger.usage).toEqual([]);
});

it("does not serve five concurrent calls for one payment", async () => {
  const client = await clientOf((server) => server.registerTool("t", {}, () => text("ran")), {
    tools: { t: { meterName: "api_calls" } },
  });
  await Promise.all(Array.from({ length: 5 }, () => client.callTool({ name: "t" })));
  expect(api.ledger.usage).toHaveLength(5);
});

it("does not serve a credential that was revoked or has expired", async () => {
  const client = await clientOf((server) => server.registerTool("t", {}, () => text("ran")), {
    tools: { t: { meterName: "api_calls" } },
  });
  await client.callTool({ name: "t" });
  api.ledger.revoke(token);
  expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({ code: "invalid_token" });
  token = api.ledger.authorize("agt_1", { expiresAt: new Date(Date.now() - 1) });
  expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({ code: "invalid_token" });
});

it("never sends the API an argument or a result", async () => {
  const client = await clientOf(
    (server) =>
      server.registerTool("t", { inputSchema: { secret: z.string() } }, ({ secret }) =>
        text(`result-${secret}`),
      ),
    { tools: { t: { meterName: "api_calls", charge: "reserve", resultQuantity: () => 1 } } },
  );
  await client.callTool({ name: "t", arguments: { secret: "s3cret-argument" } });
  expect(api.ledger.usage).toHaveLength(1);
  expect(api.seen.join("\n")).not.toContain("s3cret-argument");
});

it("leaks no token: not in output, events, refusals, errors or what the paywall prints", async () => {
  const written: string[] = [];
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, "write").mockImplementation((chunk) => {
      written.push(String(chunk));
      return true;
    }),
  );
  const events: unknown[] = [];
  for (const type of [
    "verified",
    "denied",
    "metered",
    "delivered",
    "failed",
  ] satisfies (keyof PaywallEvents)[]) {
    paywall.on(type, (event) => events.push(event));
  }
  const client = await clientOf((server) => server.registerTool("t", {}, () => text("ran")), {
    tools: { t: { meterName: "api_calls" } },
  });
  const results = [await client.callTool({ name: "t" })];
  api.faults.push({ status: 400, body: JSON.stringify({ error: `bad token ${token}` }) });
  results.push(await client.callTool({ name: "t" }));
  api.always = { status: 500, body: `<html>${token}</html>` };
  results.push(await client.callTool({ name: "t" }));
  const errors = events
    .flatMap((event) => (event as { error?: unknown }).error ?? [])
    .map((error) => (error instanceof Error ? `${error.stack}` : error));
  for (const spy of spies) spy.mockRestore();
  const everything = JSON.stringify([written, events, results, errors, paywall]);
  expect(results).toHaveLength(3);
  expect(everything).not.toContain(token.slice(4));
});

it("does not write over the handler's `_meta`, or change the tool's own schema", async () => {
  const client = await clientOf(
    (server) => {
      server.registerTool("t", { inputSchema: { a: z.string() }, _meta: { mine: 1 } }, () => ({
        ...text("ran"),
        _meta: { mine: 2 },
      }));
    },
    { tools: { t: { meterName: "api_calls", price: "0.01 USD" } } },
  );
  expect(await client.callTool({ name: "t", arguments: { a: "x" } })).toEqual({
    ...text("ran"),
    _meta: { mine: 2 },
  });
  const { tools } = await client.listTools();
  expect(tools[0]?.inputSchema).toMatchObject({ properties: { a: { type: "string" } }, required: ["a"] });
  expect(Object.keys(tools[0]?.inputSchema.properties ?? {})).toEqual(["a"]);
  expect(tools[0]?._meta).toEqual({
    mine: 1,
    "com.licentric/charge": {
      meterName: "api_calls",
      quantity: 1,
      charge: "call",
      scopes: [],
      price: "0.01 USD",
    },
  });
});

it("does not bill a missing scope, whether or not the API knows of scopes", async () => {
  const client = await clientOf((server) => server.registerTool("t", {}, () => text("ran")), {
    tools: { t: { meterName: "api_calls", scopes: ["mcp:admin"] } },
  });
  expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({ code: "insufficient_scope" });
  expect(api.ledger.usage).toEqual([]);
  api.documentedOnly = true;
  expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({ code: "insufficient_scope" });
});

it("works with an API that knows only what is documented", async () => {
  api.documentedOnly = true;
  const client = await clientOf((server) => server.registerTool("t", {}, () => text("ran")), {
    tools: { t: { meterName: "api_calls", scopes: ["mcp:invoke"] } },
  });
  expect(await client.callTool({ name: "t" })).toEqual(text("ran"));
  expect(api.ledger.usage).toHaveLength(1);
});

it("refuses what cannot be a token without asking", async () => {
  const client = await clientOf((server) => server.registerTool("t", {}, () => text("ran")), { default: {} });
  for (const bad of [
    "",
    "sk-123456789",
    "AGT-",
    "AGT-short",
    "agt-q1w2e3r4t5y6",
    "KEY-q1w2e3r4t5y6",
    "q1w2e3r4t5y6u7i8",
    "x AGT-q1w2e3r4t5y6",
    "lk_test_0123456789abcdef",
  ]) {
    token = bad;
    expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({ code: "invalid_token" });
  }
  expect(api.seen).toEqual([]);
});

it("says when a call fits its budget again, and that one larger than the whole of it never does", async () => {
  const paywall = createTestPaywall();
  const resetsAt = "2026-12-01T00:00:00.000Z";
  const budget = { meterName: "api_calls", limit: 5, used: 3, remaining: 2, status: "ok", resetsAt } as const;
  paywall.refuseWith("budget_exceeded", { budget });
  for (const charge of ["call", "success", "reserve"] as const) {
    const call = async (quantity: number) => {
      const policy = { meterName: "api_calls", enforceBudget: true, charge, quantity };
      return refusalOf(await paywall.tool(policy, async (_extra: object) => text("ran"))({}));
    };
    expect(await call(5)).toMatchObject({ retryable: true, resetsAt, budget });
    expect(await call(6)).toMatchObject({
      retryable: false,
      resetsAt: null,
      budget,
      message: expect.stringContaining("waiting does not help"),
    });
  }
});

it("points to the owner's links", async () => {
  const linked = createTestPaywall({
    links: { credential: "https://example.com/agents", budget: "https://example.com/top-up" },
  });
  const handler = linked.tool({ meterName: "api_calls", enforceBudget: true }, async (_extra: object) =>
    text("ran"),
  );
  linked.actAs(null);
  expect(refusalOf(await handler({}))).toMatchObject({
    link: "https://example.com/agents",
    message: expect.stringContaining("https://example.com/agents"),
  });
  linked.actAs(linked.authorize("agt_2", { budgets: { api_calls: 0 } }));
  expect(refusalOf(await handler({}))).toMatchObject({
    code: "budget_exceeded",
    link: "https://example.com/top-up",
  });
});
