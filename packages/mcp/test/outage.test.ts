import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Licentric } from "@licentric/sdk";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  type ChargeOptions,
  createPaywall,
  IDEMPOTENCY_META_KEY,
  type Paywall,
  type PaywallEvents,
  type PaywallOptions,
} from "../src/index.ts";
import { fileJournal } from "../src/journal.ts";
import { connectV1, refusalOf, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

const API_KEY = "lk_test_0123456789abcdef";

let api: StandIn;
let token: string;
let directory: string;
let open: Paywall[];
beforeEach(async () => {
  open = [];
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
  directory = await mkdtemp(join(tmpdir(), "licentric-outage-"));
});
afterEach(async () => {
  await Promise.all(open.map((paywall) => paywall.close({ timeout: 200 })));
  await api.close();
  await rm(directory, { recursive: true, force: true });
});

const paywallWith = (options: PaywallOptions) =>
  createPaywall({
    baseUrl: api.url,
    apiKey: API_KEY,
    token: () => token,
    journal: fileJournal({ directory }),
    ...options,
  });

let runs = 0;
async function serve(options: PaywallOptions = {}, charge: ChargeOptions = { meterName: "api_calls" }) {
  const paywall = paywallWith({
    journal: fileJournal({ directory, flushInterval: 20 }),
    ...options,
  });
  open.push(paywall);
  const server = new McpServer({ name: "server", version: "1" });
  server.registerTool("t", { inputSchema: { n: z.number().optional() } }, async () => {
    runs++;
    return text("ran");
  });
  paywall.protect(server, { tools: { t: charge } });
  const client = await connectV1(server);
  runs = 0;
  const events: PaywallEvents["metered"][] = [];
  paywall.on("metered", (event) => events.push(event));
  return {
    paywall,
    events,
    call: (n?: number) => client.callTool({ name: "t", arguments: n === undefined ? {} : { n } }),
  };
}

const MODES: ChargeOptions[] = [
  { meterName: "api_calls", charge: "call" },
  { meterName: "api_calls", charge: "success" },
  { meterName: "api_calls", charge: "reserve" },
];

describe.each(MODES)("charge $charge", (charge) => {
  it.each(["hang", "drip"] as const)("is never hung by a billing service whose answers %s", async (fault) => {
    const { call } = await serve({ timeout: 150 }, charge);
    api.always = fault;
    const started = performance.now();
    expect(refusalOf(await call())).toMatchObject({ code: "billing_unavailable", retryable: true });
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(runs).toBe(0);
  });

  it.each([500, 502, 503])("tells an outage (%d) from a debt", async (status) => {
    const { call } = await serve({ timeout: 300 }, charge);
    api.always = { status };
    expect(refusalOf(await call())).toMatchObject({ code: "billing_unavailable", status: 503 });
    expect(runs).toBe(0);
  });

  it("bills once when an answer is lost and the request is sent again", async () => {
    const { call } = await serve({}, charge);
    api.faults.push("drop-answer");
    expect(await call()).toEqual(text("ran"));
    expect(api.ledger.usage).toHaveLength(1);
  });

  it("sends every try of a request under one key, and that of another call under another", async () => {
    const { call } = await serve({}, charge);
    api.faults.push({ status: 500 }, "drop-answer");
    expect(await call()).toEqual(text("ran"));
    const keysOf = () =>
      api.seen
        .filter((line) => line.includes("meterName"))
        .map((line) => /"idempotency-key":"([^"]+)"/.exec(line)?.[1]);
    const tries = keysOf();
    expect(new Set(tries).size).toBe(1);
    await call();
    expect(new Set(keysOf()).size).toBe(2);
    expect(api.ledger.usage).toHaveLength(2);
  });

  it("goes on after a request that was lost", async () => {
    const { call } = await serve({}, charge);
    api.faults.push("drop-request");
    expect(await call()).toEqual(text("ran"));
    expect(api.ledger.usage).toHaveLength(1);
  });

  it("passes a rate limit on, with the time to wait", async () => {
    const { call } = await serve({}, charge);
    api.always = {
      status: 429,
      headers: { "retry-after": "17" },
      body: '{"error":"slow down","code":"RATE_LIMITED"}',
    };
    expect(refusalOf(await call())).toMatchObject({ code: "rate_limited", retryAfter: 17 });
    expect(runs).toBe(0);
  });
});

it.each<[string, number, ChargeOptions, PaywallOptions]>([
  ["charged by call", 1, { charge: "call" }, {}],
  ["charged by success", 0, { charge: "success" }, {}],
  ["charged by reserve", 0, { charge: "reserve" }, {}],
  ["charged by success, whose budget is enforced", 0, { charge: "success", enforceBudget: true }, {}],
  ["in the background", 0, {}, { metering: "background" }],
])(
  "runs a call that is cancelled while it is asked for only where that billed it: %s",
  async (_, billed, charge, options) => {
    const paywall = paywallWith(options);
    open.push(paywall);
    const seen: boolean[] = [];
    const handler = paywall.tool(
      { meterName: "api_calls", ...charge },
      async (extra: { signal: AbortSignal }) => {
        seen.push(extra.signal.aborted);
        return text("ran");
      },
    );
    api.delay = 60;
    const controller = new AbortController();
    const call = handler({ signal: controller.signal });
    await expect.poll(() => api.seen.length).toBe(1);
    controller.abort(new Error("gone"));
    if (billed > 0) expect(await call).toEqual(text("ran"));
    else await expect(call).rejects.toThrow("gone");
    await paywall.close();
    expect(seen).toEqual(billed > 0 ? [true] : []);
    expect(api.ledger.usage).toHaveLength(billed);
    expect(api.ledger.reserved()).toBe(0);
  },
);

it("does not take a timeout for unpaid: what may have been recorded pays for the next call", async () => {
  const { call } = await serve({ timeout: 200 });
  api.always = "drop-answer";
  expect(refusalOf(await call())).toMatchObject({ code: "billing_unavailable" });
  expect(api.ledger.usage).toHaveLength(1);
  expect(runs).toBe(0);
  api.always = undefined;
  expect(await call(1)).toEqual(text("ran"));
  expect(api.ledger.usage).toHaveLength(1);
  expect(await call(2)).toEqual(text("ran"));
  expect(api.ledger.usage).toHaveLength(2);
});

it.each(["success", "reserve"] as const)(
  "does not deliver what could not be billed, charge %s",
  async (charge) => {
    const { call } = await serve({ timeout: 200 }, { meterName: "api_calls", charge });
    await call();
    const { gateway } = api.ledger;
    const begin = charge === "success" ? "verify" : "reserve";
    const first = gateway[begin];
    gateway[begin] = async (...asked: Parameters<typeof first>) => {
      api.always = { status: 500 };
      return Reflect.apply(first, gateway, asked);
    };
    const refused = await call();
    expect(runs).toBe(2);
    expect(refusalOf(refused)).toMatchObject({ code: "billing_unavailable" });
    expect(JSON.stringify(refused)).not.toContain("ran");
    expect(api.ledger.usage).toHaveLength(1);
  },
);

it("meters after the handler even where its reservation has lapsed", async () => {
  const { call } = await serve({}, { meterName: "api_calls", charge: "reserve", quantity: 2 });
  const { gateway } = api.ledger;
  const { commit } = gateway;
  gateway.commit = async () => ({ value: { lapsed: true }, retried: false });
  expect(await call()).toEqual(text("ran"));
  gateway.commit = commit;
  expect(api.ledger.usage).toEqual([expect.objectContaining({ quantity: 2 })]);
});

describe('onUnavailable: "allow"', () => {
  it("lets agents through that are known, and bills them when the API is back", async () => {
    const { call } = await serve({ onUnavailable: "allow", timeout: 200 });
    await call();
    api.always = "drop-request";
    for (let index = 0; index < 3; index++) expect(await call(index)).toEqual(text("ran"));
    expect(api.ledger.usage).toHaveLength(1);
    api.always = undefined;
    await expect.poll(() => api.ledger.usage.length, { timeout: 10_000 }).toBe(4);
  });

  it("bills a call once whose answer was lost and that was let through", async () => {
    const { call } = await serve({ onUnavailable: "allow", timeout: 200 });
    await call();
    api.always = "drop-answer";
    expect(await call()).toEqual(text("ran"));
    expect(api.ledger.usage).toHaveLength(2);
    api.always = undefined;
    await expect
      .poll(() => api.seen.filter((line) => line.includes("usage/events")).length, { timeout: 10_000 })
      .toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(api.ledger.usage).toHaveLength(2);
  });

  it("bills a call of two rounds once, where the API goes away between them", async () => {
    const paywall = paywallWith({
      onUnavailable: "allow",
      timeout: 200,
      journal: fileJournal({ directory, flushInterval: 20 }),
    });
    open.push(paywall);
    const handler = paywall.tool({ meterName: "api_calls", name: "t" }, async (ctx: object) =>
      "round" in ctx ? text("ran") : { resultType: "input_required", ...text("sure?") },
    );
    const round = (state: string | undefined) => ({
      ...(state !== undefined && { round: state }),
      mcpReq: { id: 1, signal: new AbortController().signal, requestState: () => state },
    });
    await handler(round(undefined));
    api.always = "drop-request";
    expect(await handler(round("sure"))).toEqual(text("ran"));
    api.always = undefined;
    await paywall.close({ timeout: 10_000 });
    expect(api.ledger.usage).toHaveLength(1);
  });

  it.each([
    ["strangers", {}, true],
    ["calls whose budget is enforced", { enforceBudget: true }, false],
    ["calls that lack a scope", { scopes: ["mcp:admin"] }, false],
  ])("refuses %s", async (_, more, stranger) => {
    const { call } = await serve(
      { onUnavailable: "allow", timeout: 200 },
      { meterName: "api_calls", ...more },
    );
    if (!stranger) await call();
    runs = 0;
    api.always = "drop-request";
    expect(refusalOf(await call())).toMatchObject({ code: "billing_unavailable" });
    expect(runs).toBe(0);
  });

  it("refuses an agent that was revoked, once the API has said so", async () => {
    const { call } = await serve({ onUnavailable: "allow", timeout: 200 });
    await call();
    api.ledger.revoke(token);
    expect(refusalOf(await call())).toMatchObject({ code: "invalid_token" });
    api.always = "drop-request";
    expect(refusalOf(await call())).toMatchObject({ code: "billing_unavailable" });
  });
});

describe('metering: "background"', () => {
  const background = { metering: "background", verification: { cacheTtl: 60_000 } } as const;

  it("asks nothing on a warm cache, and delivers everything exactly once", async () => {
    const { call, events, paywall } = await serve(background);
    const delivered: PaywallEvents["delivered"][] = [];
    paywall.on("delivered", (event) => delivered.push(event));
    await call();
    api.seen.length = 0;
    for (let index = 0; index < 5; index++) expect(await call(index)).toEqual(text("ran"));
    expect(api.seen.filter((line) => line.includes("/mcp/"))).toEqual([]);
    expect(events).toHaveLength(6);
    expect(events.every(({ pending }) => pending)).toBe(true);
    await paywall.close();
    expect(delivered.reduce((sum, { count }) => sum + count, 0)).toBe(6);
    expect(api.ledger.usage).toHaveLength(6);
  });

  it.each([
    ["call", 2],
    ["success", 1],
  ] as const)("bills a failed call only where the call itself is charged: %s", async (charge, billed) => {
    const paywall = paywallWith(background);
    const handler = paywall.tool(
      { meterName: "api_calls", charge, name: "t" },
      async ({ ok }: { ok: boolean }, _extra: object) => {
        if (!ok) throw new Error("thrown");
        return text("ran");
      },
    );
    await handler({ ok: true }, {});
    await expect(handler({ ok: false }, {})).rejects.toThrow("thrown");
    await paywall.close();
    expect(api.ledger.usage).toHaveLength(billed);
  });

  it("bills by request where it needs the API's answer", async () => {
    const { call } = await serve(background, { meterName: "api_calls", enforceBudget: true });
    await call();
    expect(api.ledger.usage).toHaveLength(1);
  });

  it("records by request what the journal cannot take", async () => {
    const { paywall, call } = await serve({
      ...background,
      journal: fileJournal({ directory: "/dev/null/journal" }),
    });
    const failed: PaywallEvents["failed"][] = [];
    paywall.on("failed", (event) => failed.push(event));
    expect(await call()).toEqual(text("ran"));
    expect(api.ledger.usage).toHaveLength(1);
    expect(failed.map(({ reason }) => reason)).toContainEqual(
      expect.stringMatching(/could not be journalled/),
    );
  });

  it("serves through an outage what is verified, and bills all of it", async () => {
    const { call, paywall } = await serve(background);
    await call();
    api.always = "drop-request";
    for (let index = 0; index < 5; index++) expect(await call(index)).toEqual(text("ran"));
    api.always = undefined;
    await paywall.close({ timeout: 10_000 });
    expect(api.ledger.usage).toHaveLength(6);
  });

  it("flushes what waits for an API that asked for a day and is back at once", async () => {
    const { call, paywall } = await serve({
      ...background,
      journal: fileJournal({ directory, flushInterval: 60_000 }),
    });
    await call();
    const busy = { status: 429, headers: { "retry-after": "86400" } };
    api.faults.push(busy);
    await expect(paywall.flush()).rejects.toThrow(/1 usage events wait/);
    expect(api.ledger.usage).toHaveLength(0);
    await paywall.flush();
    expect(api.ledger.usage).toHaveLength(1);
  });

  it("has nothing to flush where no journal is kept", async () => {
    const { paywall } = await serve();
    await expect(paywall.flush()).resolves.toBeUndefined();
  });

  it("shares one request among concurrent calls of one agent", async () => {
    const { call } = await serve(background);
    api.delay = 30;
    await Promise.all(Array.from({ length: 20 }, () => call()));
    expect(api.seen.filter((line) => line.includes("/mcp/verify"))).toHaveLength(1);
  });

  it.each(["metering", "onUnavailable"])("says at construction that it needs a journal: %s", (option) => {
    const options = option === "metering" ? { metering: "background" } : { onUnavailable: "allow" };
    const make = () => createPaywall({ baseUrl: api.url, apiKey: API_KEY, ...options } as PaywallOptions);
    expect(make).toThrow(TypeError);
    expect(make).toThrow(
      new RegExp(`createPaywall: ${option}.*pass journal: fileJournal\\(\\), .*"@licentric/mcp/journal"`),
    );
  });

  it("says at construction that a journal is no object of options", () => {
    // @ts-expect-error: a program without types
    const make = () => createPaywall({ baseUrl: api.url, apiKey: API_KEY, journal: { directory } });
    expect(make).toThrow(/journal is no options but a journal: pass journal: fileJournal\(\)/);
  });

  it("says at construction that it needs a management key", () => {
    const given = { baseUrl: api.url, journal: fileJournal({ directory }) };
    expect(() => createPaywall({ ...given, metering: "background" })).toThrow(/LICENTRIC_API_KEY/);
    expect(() => createPaywall({ ...given, onUnavailable: "allow" })).toThrow(/LICENTRIC_API_KEY/);
  });
});

it("fails fast while the API is dead, and comes back by itself", { timeout: 60_000 }, async () => {
  const { call } = await serve({ timeout: 300 });
  api.always = "drop-request";
  for (let index = 0; index < 4; index++) await call();
  api.seen.length = 0;
  for (let index = 0; index < 20; index++)
    expect(refusalOf(await call())).toMatchObject({ code: "billing_unavailable" });
  expect(api.seen.length).toBeLessThanOrEqual(2);
  api.always = undefined;
  await expect.poll(call, { timeout: 45_000 }).toEqual(text("ran"));
});

it.each(["its own client", "the owner's client"])("refuses calls after its close, with %s", async (whose) => {
  const paywall = createPaywall({
    token: () => token,
    ...(whose === "its own client"
      ? { baseUrl: api.url }
      : { client: new Licentric({ baseUrl: api.url, apiKey: null }) }),
  });
  const handler = paywall.tool({ meterName: "api_calls" }, async (_extra: object) => text("ran"));
  expect(await handler({})).toEqual(text("ran"));
  await paywall.close();
  expect(refusalOf(await handler({}))).toMatchObject({
    code: "billing_unavailable",
    message: expect.stringContaining("shutting down"),
  });
  expect(api.ledger.usage).toHaveLength(1);
});

it.each<[string, ChargeOptions, PaywallOptions]>([
  ["charged by call", { charge: "call" }, {}],
  ["charged by success", { charge: "success" }, {}],
  ["charged by reserve", { charge: "reserve" }, {}],
  ["in the background", {}, { metering: "background" }],
])("lets a call that is in flight end before it closes: %s", async (_, charge, options) => {
  const paywall = paywallWith(options);
  let begin = () => {};
  let goOn = () => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const going = new Promise<void>((resolve) => (goOn = resolve));
  const handler = paywall.tool({ meterName: "api_calls", ...charge }, async (_extra: object) => {
    begin();
    await going;
    return text("ran");
  });
  const answer = handler({});
  await begun;
  const closed = paywall.close();
  expect(refusalOf(await handler({}))).toMatchObject({ code: "billing_unavailable" });
  goOn();
  expect(await answer).toEqual(text("ran"));
  await closed;
  expect(api.ledger.usage).toHaveLength(1);
});

it("does not wait for a call whose result was given once more", async () => {
  const paywall = createPaywall({ baseUrl: api.url, token: () => token });
  const handler = paywall.tool({ meterName: "api_calls" }, async (_extra: object) => text("ran"));
  const again = () => ({
    signal: new AbortController().signal,
    _meta: { [IDEMPOTENCY_META_KEY]: "k1" },
  });
  for (let call = 0; call < 2; call++) expect(await handler(again())).toEqual(text("ran"));
  await paywall.close({ timeout: 60_000 });
  expect(api.ledger.usage).toHaveLength(1);
});

it("waits no longer than it was told for a call that does not end", async () => {
  const paywall = createPaywall({ baseUrl: api.url, token: () => token });
  const begun = new Promise<void>((resolve) => {
    const handler = paywall.tool({ meterName: "api_calls" }, async (_extra: object) => {
      resolve();
      return new Promise<never>(() => undefined);
    });
    void handler({});
  });
  await begun;
  const started = performance.now();
  await paywall.close({ timeout: 100 });
  expect(performance.now() - started).toBeLessThan(4_000);
});

it("says at construction which option there is none of", () => {
  const misspelled = { baseUrl: api.url, onUnavailble: "allow" };
  expect(() => createPaywall(misspelled)).toThrow(
    /no option "onUnavailble"; the options are .*onUnavailable/,
  );
});

const quiet = { metering: "background", verification: { cacheTtl: 60_000 } } as const;
const warm = { verification: { cacheTtl: 60_000 } };
const verifyOnly = {};
const metered = (more: ChargeOptions = {}) => ({ meterName: "api_calls", ...more });
it.each<[string, number, ChargeOptions, PaywallOptions]>([
  ["by default", 1, metered(), {}],
  ["that verifies only", 1, verifyOnly, {}],
  ["that verifies only, on a warm cache", 0, verifyOnly, warm],
  ["charged by success", 2, metered({ charge: "success" }), {}],
  ["charged by success, on a warm cache", 1, metered({ charge: "success" }), warm],
  ["charged by reserve", 2, metered({ charge: "reserve" }), {}],
  ["whose budget is enforced", 1, metered({ enforceBudget: true }), {}],
  [
    "charged by success, whose budget is enforced",
    2,
    metered({ charge: "success", enforceBudget: true }),
    {},
  ],
  ["in the background", 0, metered(), quiet],
  ["charged by success, in the background", 0, metered({ charge: "success" }), quiet],
  ["charged by reserve, in the background", 2, metered({ charge: "reserve" }), quiet],
])("a call %s costs %d requests", async (_, requests, charge, options) => {
  const { call, paywall } = await serve(options, charge);
  await call();
  api.seen.length = 0;
  for (let index = 0; index < 3; index++) expect(await call()).toEqual(text("ran"));
  // Batches of the journal are no request of any one call.
  expect(api.seen.filter((line) => !line.includes("/usage/events"))).toHaveLength(requests * 3);
  await paywall.close();
  expect(api.ledger.usage).toHaveLength(charge === verifyOnly ? 0 : 4);
});

it("blames no price for an API that is none, and shows the owner what it answered", async () => {
  const { paywall, call } = await serve();
  const failed: PaywallEvents["failed"][] = [];
  paywall.on("failed", (event) => failed.push(event));
  api.always = { status: 404, headers: { "content-type": "text/html" }, body: "<html>Not here</html>" };
  const refused = await call();
  expect(refusalOf(refused)).toMatchObject({ code: "misconfigured", status: 500, retryable: false });
  expect(refused.content).toEqual([{ type: "text", text: expect.not.stringContaining("computed") }]);
  expect(failed).toEqual([expect.objectContaining({ reason: expect.stringMatching(/baseUrl/), name: "t" })]);
  expect(runs).toBe(0);
});
