import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { type ChargeOptions, createPaywall, IDEMPOTENCY_META_KEY, type Paywall } from "../src/index.ts";
import { connectV1, refusalOf, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

let api: StandIn;
let token: string;
beforeEach(async () => {
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
});
afterEach(async () => {
  vi.useRealTimers();
  await api.close();
});

const MODES: ChargeOptions[] = [
  { meterName: "api_calls", charge: "call" },
  { meterName: "api_calls", charge: "success" },
  { meterName: "api_calls", charge: "reserve" },
];

let runs = 0;
async function serve(
  charge: ChargeOptions,
  paywall: Paywall = createPaywall({ baseUrl: api.url, token: () => token }),
) {
  const server = new McpServer({ name: "server", version: "1" });
  const inputSchema = { value: z.string(), at: z.string().default(() => String(Math.random())) };
  server.registerTool("a", { inputSchema }, async ({ value }) => {
    runs++;
    if (value === "slow") await new Promise((resolve) => setTimeout(resolve, 30));
    if (value === "throw") throw new Error("thrown");
    return text(`${value} ${runs}`);
  });
  server.registerTool("b", { inputSchema }, async () => text("b"));
  paywall.protect(server, { default: charge });
  const client = await connectV1(server);
  runs = 0;
  return (key: unknown, value = "x", name = "a") =>
    client.callTool({ name, arguments: { value }, _meta: { [IDEMPOTENCY_META_KEY]: key } });
}

describe.each(MODES)("an agent's own key, charge $charge", (charge) => {
  it("gives a repetition the first result, and neither runs nor bills it again", async () => {
    const call = await serve(charge);
    const first = await call("k");
    expect(await call("k")).toEqual(first);
    expect(runs).toBe(1);
    expect(api.ledger.usage).toHaveLength(1);
  });

  it("lets concurrent repetitions wait for the first", async () => {
    const call = await serve(charge);
    const results = await Promise.all(Array.from({ length: 5 }, () => call("k", "slow")));
    expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
    expect(runs).toBe(1);
    expect(api.ledger.usage).toHaveLength(1);
  });

  it("is no way to a free call: other arguments, other tools", async () => {
    const call = await serve(charge);
    await call("k");
    expect(refusalOf(await call("k", "y"))).toMatchObject({ code: "idempotency_conflict" });
    expect(refusalOf(await call("k", "x", "b"))).toMatchObject({ code: "idempotency_conflict" });
    expect(runs).toBe(1);
    expect(api.ledger.usage).toHaveLength(1);
  });

  it("is no way to a free call after the result is forgotten: another process runs nothing", async () => {
    await (await serve(charge))("k");
    const later = await serve(charge);
    const repeated = await later("k");
    expect(refusalOf(repeated)).toMatchObject({ code: "idempotency_replay" });
    expect(api.ledger.usage).toHaveLength(1);
  });

  it("stands for its call alone: another process runs and bills another call under it", async () => {
    await (await serve(charge))("k");
    const later = await serve(charge);
    expect((await later("k", "y")).isError).not.toBe(true);
    expect(runs).toBe(1);
    expect(api.ledger.usage).toHaveLength(2);
  });

  it("stands for each call of an unguarded handler, whatever their order in another process", async () => {
    for (const order of [
      [5, 6],
      [6, 5],
    ]) {
      const paywall = createPaywall({ baseUrl: api.url, token: () => token });
      const inner = paywall.tool({ ...charge, name: "paid" }, async (_args: { n: number }, _: object) => {
        runs++;
        return text("ran");
      });
      const context = { signal: new AbortController().signal, _meta: { [IDEMPOTENCY_META_KEY]: "k" } };
      for (const n of order) await inner({ n }, context);
      await paywall.close();
    }
    expect(api.ledger.usage).toHaveLength(2);
  });

  it("is bound to its agent", async () => {
    const paywall = createPaywall({ baseUrl: api.url, token: () => token });
    const call = await serve(charge, paywall);
    await call("k");
    token = api.ledger.authorize("agt_2");
    await call("k");
    expect(runs).toBe(2);
    expect(api.ledger.usage.map(({ agentId }) => agentId)).toEqual(["agt_1", "agt_2"]);
  });

  it.each([[7], [""], ["x".repeat(256)], ["ü"], [{}]])("is refused where it is no key: %o", async (key) => {
    const call = await serve(charge);
    expect(refusalOf(await call(key))).toMatchObject({ code: "idempotency_conflict" });
    expect(runs).toBe(0);
    expect(api.ledger.usage).toHaveLength(0);
  });

  it("can be used again after a refusal", async () => {
    const call = await serve(charge);
    api.ledger.refuseWith("rate_limited", { retryAfter: 9 });
    expect(refusalOf(await call("k"))).toMatchObject({ code: "rate_limited", retryAfter: 9 });
    api.ledger.refuseWith(undefined);
    expect((await call("k")).content).toEqual([{ type: "text", text: "x 1" }]);
    expect(api.ledger.usage).toHaveLength(1);
  });

  it.each([
    ["one request is lost", 1],
    ["every try of a call is lost", 4],
  ])("is no way to a free call in another process where %s", { timeout: 20_000 }, async (_, lost) => {
    await (await serve(charge))("k");
    // The process that was paid has forgotten it, or is another one.
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 60_000 });
    const later = await serve(charge, createPaywall({ baseUrl: api.url, token: () => token, timeout: 500 }));
    api.faults.push(...Array.from({ length: lost }, () => "drop-request" as const));
    const codes: unknown[] = [];
    await expect
      .poll(
        async () => {
          const { code } = z.object({ code: z.string() }).parse(refusalOf(await later("k")));
          codes.push(code);
          return code;
        },
        { timeout: 15_000, interval: 300 },
      )
      .toBe("idempotency_replay");
    if (lost > 1) expect(codes).toContain("billing_unavailable");
    expect(refusalOf(await later("k"))).toMatchObject({ code: "idempotency_replay" });
    expect(api.ledger.usage).toHaveLength(1);
  });

  it("survives a lost answer: what was paid for runs, and once", async () => {
    const call = await serve(charge);
    api.faults.push("drop-answer");
    expect((await call("k")).content).toEqual([{ type: "text", text: "x 1" }]);
    expect(runs).toBe(1);
    expect(api.ledger.usage).toHaveLength(1);
  });
});

it("repeats a failed call that was billed, and runs one again that was not", async () => {
  const billed = await serve({ meterName: "api_calls", charge: "call" });
  await billed("k", "throw");
  expect((await billed("k", "throw")).isError).toBe(true);
  expect(runs).toBe(1);
  const free = await serve({ meterName: "rows", charge: "success" });
  await free("k", "throw");
  await free("k", "throw");
  expect(runs).toBe(2);
  expect(api.ledger.usage.map(({ meterName }) => meterName)).toEqual(["api_calls"]);
});

it("does not say that a key has paid whose call failed and was released", async () => {
  const call = await serve({ meterName: "api_calls", charge: "reserve" });
  await call("k", "throw");
  expect(refusalOf(await call("k", "throw"))).toMatchObject({
    code: "idempotency_replay",
    message: expect.stringMatching(/failed and was not charged.*new key/),
  });
  expect(api.ledger.usage).toEqual([]);
  await call("k2");
  expect(refusalOf(await (await serve({ meterName: "api_calls", charge: "reserve" }))("k2"))).toMatchObject({
    message: expect.stringMatching(/has already paid/),
  });
});

it("gives no stored result to a credential that was revoked since", async () => {
  const call = await serve({ meterName: "api_calls" });
  await call("k");
  api.ledger.revoke(token);
  expect(refusalOf(await call("k"))).toMatchObject({ code: "invalid_token" });
  expect(runs).toBe(1);
});

it("tells handlers of one text by their prices where they have no names", async () => {
  const paywall = createPaywall({ baseUrl: api.url, token: () => token });
  const sell = (quantity: number) =>
    paywall.tool({ meterName: "api_calls", quantity }, async (_extra: object) => text(`for ${quantity}`));
  const keyed = () => ({
    signal: new AbortController().signal,
    _meta: { [IDEMPOTENCY_META_KEY]: "k" },
  });
  expect(await sell(1)(keyed())).toEqual(text("for 1"));
  expect(refusalOf(await sell(100)(keyed()))).toMatchObject({ code: "idempotency_conflict" });
  await paywall.close();
});

describe.each(MODES)("handlers of one text, one price and no name, charge $charge", (charge) => {
  const keyed = (key = "k") => ({
    signal: new AbortController().signal,
    _meta: { [IDEMPOTENCY_META_KEY]: key },
  });

  it("are never given one another's results", async () => {
    const paywall = createPaywall({ baseUrl: api.url, token: () => token });
    const make = (city: string) => paywall.tool(charge, async (_extra: object) => text(city));
    const [rome, paris] = [make("Rome"), make("Paris")];
    expect(await rome(keyed())).toEqual(text("Rome"));
    expect(refusalOf(await paris(keyed()))).toMatchObject({
      code: "idempotency_replay",
      message: expect.stringMatching(/cannot tell.*new key/),
    });
    expect(await rome(keyed())).toEqual(text("Rome"));
    expect(await paris(keyed("other"))).toEqual(text("Paris"));
    expect(api.ledger.usage).toHaveLength(2);
    await paywall.close();
  });

  it("are told to be the same where one function is wrapped again, as by a server for each request", async () => {
    const paywall = createPaywall({ baseUrl: api.url, token: () => token });
    let count = 0;
    const run = async (_extra: object) => text(`ran ${++count}`);
    for (let request = 0; request < 3; request++)
      expect(await paywall.tool(charge, run)(keyed())).toEqual(text("ran 1"));
    expect(api.ledger.usage).toHaveLength(1);
    await paywall.close();
  });
});

it("tells handlers by the functions that price them where they have no names", async () => {
  const paywall = createPaywall({ baseUrl: api.url, token: () => token });
  const run = async (_extra: object) => text("ran");
  const sell = (quantity: number) => paywall.tool({ meterName: "api_calls", quantity: () => quantity }, run);
  const keyed = () => ({
    signal: new AbortController().signal,
    _meta: { [IDEMPOTENCY_META_KEY]: "k" },
  });
  expect(await sell(1)(keyed())).toEqual(text("ran"));
  expect(refusalOf(await sell(100)(keyed()))).toMatchObject({ code: "idempotency_replay" });
  expect(api.ledger.usage).toHaveLength(1);
  await paywall.close();
});

it("does not refuse a call with another one's refusal that has the same key at once", async () => {
  const paywall = createPaywall({ baseUrl: api.url, token: () => token });
  const handler = paywall.tool(
    { name: "t", meterName: "api_calls", quantity: ({ pages }: { pages: number }) => pages },
    async ({ pages }: { pages: number }, _context: object) => text(`${pages}`),
  );
  const keyed = () => ({
    signal: new AbortController().signal,
    _meta: { [IDEMPOTENCY_META_KEY]: "k" },
  });
  const [refused, served] = await Promise.all([
    handler({ pages: -1 }, keyed()),
    handler({ pages: 2 }, keyed()),
  ]);
  expect(refusalOf(refused)).toMatchObject({ code: "misconfigured" });
  expect(served).toEqual(text("2"));
  expect(api.ledger.usage).toHaveLength(1);
  await paywall.close();
});

it("does not let what a lost answer may have paid for be spent on what costs more", {
  timeout: 60_000,
}, async () => {
  const paywall = createPaywall({ baseUrl: api.url, token: () => token, timeout: 500 });
  const sell = (name: string, quantity: number) =>
    paywall.tool({ name, meterName: "api_calls", quantity }, async (_extra: object) => text(name));
  const [cheap, dear] = [sell("cheap", 1), sell("dear", 100)];
  const keyed = () => ({
    signal: new AbortController().signal,
    _meta: { [IDEMPOTENCY_META_KEY]: "k" },
  });
  api.always = "drop-answer";
  expect(refusalOf(await cheap(keyed()))).toMatchObject({ code: "billing_unavailable" });
  api.always = undefined;
  await expect.poll(async () => refusalOf(await dear(keyed())), { timeout: 45_000 }).toBeUndefined();
  expect(api.ledger.usage.map(({ quantity }) => quantity)).toEqual([1, 100]);
  await paywall.close();
});

it("never tells the API the agent's key or the arguments", async () => {
  const call = await serve({ meterName: "api_calls" });
  await call("the-agents-own-key", "the-secret-argument");
  expect(api.seen.join("\n")).not.toMatch(/the-agents-own-key|the-secret-argument/);
});
