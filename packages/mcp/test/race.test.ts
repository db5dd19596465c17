import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createPaywall } from "../src/index.ts";
import { type Api, startApi } from "./api.ts";
import { connectV1, refusalOf, text } from "./connect.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
}, 60_000);
afterAll(() => api.close());

it.each(["call", "success", "reserve"] as const)(
  "runs exactly 10 handlers for 64 concurrent calls on a budget of 10, charge %s",
  { timeout: 60_000 },
  async (charge) => {
    const { agentId, token } = await api.authorize();
    await api.client.budgets.create({ agentId, meterName: "api_calls", limit: 10 });
    const paywall = createPaywall({ baseUrl: api.url, token: () => token, timeout: 30_000 });
    let runs = 0;
    const server = new McpServer({ name: "server", version: "1" });
    server.registerTool("t", {}, async () => {
      runs++;
      return text("ran");
    });
    paywall.protect(server, { tools: { t: { meterName: "api_calls", charge, enforceBudget: true } } });
    const client = await connectV1(server);
    const results = await Promise.all(Array.from({ length: 64 }, () => client.callTool({ name: "t" })));
    expect(runs).toBe(10);
    expect(await api.billed(agentId)).toBe(10);
    const refusals = results.map(refusalOf).filter((refusal) => refusal !== undefined);
    expect(refusals).toHaveLength(54);
    for (const refusal of refusals) expect(refusal).toMatchObject({ code: "budget_exceeded" });
    await paywall.close();
  },
);

it("delivers journalled usage to the real API, exactly once", { timeout: 60_000 }, async () => {
  const { agentId, token } = await api.authorize();
  const { mkdtemp, rm } = await import("node:fs/promises");
  const { tmpdir } = await import("node:os");
  const directory = await mkdtemp(`${tmpdir()}/licentric-race-`);
  const paywall = createPaywall({
    baseUrl: api.url,
    apiKey: api.apiKey,
    token: () => token,
    metering: "background",
    verification: { cacheTtl: 60_000 },
    journal: { directory },
  });
  const handler = paywall.tool({ meterName: "api_calls", name: "t" }, async (_context: object) =>
    text("ran"),
  );
  await Promise.all(Array.from({ length: 200 }, () => handler({})));
  await paywall.close({ timeout: 30_000 });
  expect(await api.billed(agentId)).toBe(200);
  await rm(directory, { recursive: true, force: true });
});

it("does not bill a call whose token expired while its handler ran, and does not deliver it", {
  timeout: 60_000,
}, async () => {
  const { agentId, token } = await api.authorize(["mcp:invoke"], 1);
  const paywall = createPaywall({ baseUrl: api.url, token: () => token });
  const handler = paywall.tool(
    { meterName: "api_calls", charge: "success", name: "t" },
    async (_context: object) => {
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      return text("ran");
    },
  );
  expect(refusalOf(await handler({}))).toMatchObject({ code: "invalid_token" });
  expect(await api.billed(agentId)).toBe(0);
  await paywall.close();
});
