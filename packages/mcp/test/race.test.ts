import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPaywall, IDEMPOTENCY_META_KEY } from "../src/index.ts";
import { fileJournal } from "../src/journal.ts";
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
    journal: fileJournal({ directory }),
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

describe("one key at two processes at once", () => {
  /** Two processes whose handlers wait for each other and then use what they were told to. */
  async function runBoth(
    charge: "call" | "success" | "reserve",
    uses: readonly [number, number],
    rotated: boolean,
  ) {
    const { agentId, token } = await api.authorize();
    const next = rotated
      ? (await api.client.mcp.authorize(agentId, { scopes: ["mcp:invoke"] })).token.reveal()
      : token;
    let goOn = () => {};
    const both = new Promise<void>((resolve) => (goOn = resolve));
    let running = 0;
    const paywalls = [token, next].map((each) => createPaywall({ baseUrl: api.url, token: () => each }));
    const metered: number[] = [];
    const results = await Promise.all(
      uses.map(async (used, index) => {
        const paywall = paywalls[index];
        if (paywall === undefined) throw new Error("there is a paywall for each");
        paywall.on("metered", ({ quantity }) => metered.push(quantity));
        const server = new McpServer({ name: "server", version: "1" });
        server.registerTool("t", {}, async () => {
          running++;
          if (running === 2 || charge === "call") goOn();
          await both;
          return { ...text("ran"), _meta: { used } };
        });
        const usage =
          charge === "call"
            ? { quantity: 5 }
            : {
                quantity: 9,
                resultQuantity: (result: { _meta?: { used?: unknown } }) => Number(result._meta?.used),
              };
        paywall.protect(server, { tools: { t: { meterName: "tokens", charge, ...usage } } });
        const client = await connectV1(server);
        return client.callTool({ name: "t", _meta: { [IDEMPOTENCY_META_KEY]: "k" } });
      }),
    );
    await Promise.all(paywalls.map((paywall) => paywall.close()));
    return { results, metered, billed: await api.billed(agentId, "tokens") };
  }

  const races = (
    [
      ["call", [5, 5]],
      ["success", [3, 5]],
      ["success", [4, 4]],
      ["reserve", [3, 5]],
      ["reserve", [4, 4]],
    ] as const
  ).flatMap(([charge, uses]) => [false, true].map((rotated) => ({ charge, uses, rotated })));

  it.each(races)(
    "is billed and delivered once, charge $charge, using $uses, another credential: $rotated",
    { timeout: 60_000 },
    async ({ charge, uses, rotated }) => {
      const { results, metered, billed } = await runBoth(charge, uses, rotated);
      const delivered = results.filter((result) => refusalOf(result) === undefined);
      expect(delivered).toHaveLength(1);
      const refusals = results.map(refusalOf).filter((refusal) => refusal !== undefined);
      expect(refusals).toEqual([expect.objectContaining({ code: "idempotency_replay" })]);
      const used = charge === "call" ? 5 : delivered[0]?._meta?.["used"];
      expect(billed).toBe(used);
      expect(metered).toEqual([used]);
    },
  );
});

describe("a credential that is rotated while both are good", () => {
  async function rotating() {
    const { agentId, token } = await api.authorize();
    const { token: next } = await api.client.mcp.authorize(agentId, { scopes: ["mcp:invoke"] });
    return { agentId, tokens: [token, next.reveal()] as const };
  }

  async function serve(charge: "call" | "success" | "reserve", tokenOf: () => string) {
    const paywall = createPaywall({ baseUrl: api.url, token: tokenOf });
    const server = new McpServer({ name: "server", version: "1" });
    let runs = 0;
    server.registerTool("t", {}, () => text(`result ${++runs}`));
    paywall.protect(server, { tools: { t: { meterName: "api_calls", charge } } });
    const client = await connectV1(server);
    const call = () => client.callTool({ name: "t", _meta: { [IDEMPOTENCY_META_KEY]: "k" } });
    return { call, close: () => paywall.close() };
  }

  it.each(["call", "success", "reserve"] as const)(
    "has the same keys as before, charge %s",
    { timeout: 60_000 },
    async (charge) => {
      const { agentId, tokens } = await rotating();
      let token: string = tokens[0];
      const { call, close } = await serve(charge, () => token);
      expect(await call()).toEqual(text("result 1"));
      token = tokens[1];
      expect(await call()).toEqual(text("result 1"));
      expect(await api.billed(agentId)).toBe(1);
      await close();
    },
  );

  it.each(["call", "success", "reserve"] as const)(
    "has them in another process, too, charge %s",
    { timeout: 60_000 },
    async (charge) => {
      const { agentId, tokens } = await rotating();
      const [first, second] = await Promise.all(tokens.map((token) => serve(charge, () => token)));
      expect(await first?.call()).toEqual(text("result 1"));
      expect(refusalOf((await second?.call()) ?? {})).toMatchObject({ code: "idempotency_replay" });
      expect(await api.billed(agentId)).toBe(1);
      await Promise.all([first?.close(), second?.close()]);
    },
  );
});
