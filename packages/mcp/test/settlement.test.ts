import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { type ChargeOptions, createPaywall, IDEMPOTENCY_META_KEY, type Paywall } from "../src/index.ts";
import { connectV1, connectV2, refusalOf, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// Every outcome that a call can have under an agent's own key: what a repetition gets depends on what was settled.

let api: StandIn;
let token: string;
let open: Paywall[];
beforeEach(async () => {
  open = [];
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
});
afterEach(async () => {
  await Promise.all(open.map((paywall) => paywall.close({ timeout: 1_000 })));
  await api.close();
});

function newPaywall(timeout = 2_000): Paywall {
  const paywall = createPaywall({ baseUrl: api.url, token: () => token, timeout });
  open.push(paywall);
  return paywall;
}

const MODES = ["call", "success", "reserve"] as const;
const SDKS = ["v1", "v2"] as const;
type Sdk = (typeof SDKS)[number];

/** A tool that can be held up, whose every run gives another result, and a client of the same SDK. */
async function serve(sdk: Sdk, charge: ChargeOptions, paywall = newPaywall()) {
  const begun: (() => void)[] = [];
  const state = { runs: 0, hold: Promise.resolve(), onRun: (): void => undefined };
  const run = async () => {
    state.runs++;
    for (const tell of begun.splice(0)) tell();
    state.onRun();
    const result = text(`result ${state.runs}`);
    await state.hold;
    return result;
  };
  const charges = { tools: { t: { meterName: "api_calls", ...charge } } };
  const info = { name: "server", version: "1" };
  const keyed = (key: string) => ({ name: "t", _meta: { [IDEMPOTENCY_META_KEY]: key } });
  const controls = {
    state,
    /** Keeps handlers running until it is called. */
    holdUp(): () => void {
      let goOn = () => {};
      state.hold = new Promise((resolve) => (goOn = resolve));
      return goOn;
    },
    begun: () => new Promise<void>((resolve) => void begun.push(resolve)),
  };
  if (sdk === "v1") {
    const server = new McpServerV1(info);
    server.registerTool("t", {}, run);
    paywall.protect(server, charges);
    const client = await connectV1(server);
    return {
      ...controls,
      call: (key: string, options: { signal?: AbortSignal; timeout?: number } = {}) =>
        client.callTool(keyed(key), undefined, options),
    };
  }
  const server = new McpServerV2(info);
  server.registerTool("t", {}, run);
  paywall.protect(server, charges);
  const client = await connectV2(server);
  return {
    ...controls,
    call: (key: string, options: { signal?: AbortSignal; timeout?: number } = {}) =>
      client.callTool(keyed(key), options),
  };
}

const requests = (part: string) => api.seen.filter((line) => line.split(" ")[1]?.includes(part)).length;
const total = () => api.ledger.usage.reduce((sum, { quantity }) => sum + quantity, 0);

describe.each(SDKS)("%s: a call that is cancelled while its handler runs", (sdk) => {
  it.each([
    ["is cancelled", "signal"],
    ["is given up by its client", "timeout"],
  ])("and held is never delivered without its bill: it %s", async (_, how) => {
    const { call, state, holdUp, begun } = await serve(sdk, { charge: "reserve" });
    const goOn = holdUp();
    const controller = new AbortController();
    const running = begun();
    const first = call("k", how === "signal" ? { signal: controller.signal } : { timeout: 150 });
    await running;
    if (how === "signal") controller.abort();
    await expect(first).rejects.toThrow();
    goOn();
    await expect.poll(() => requests("release")).toBe(1);
    for (let attempt = 0; attempt < 3; attempt++) {
      const repeated = await call("k");
      expect(refusalOf(repeated)).toMatchObject({
        code: "idempotency_replay",
        message: expect.stringMatching(/failed and was not charged.*new key/),
      });
      expect(JSON.stringify(repeated)).not.toContain("result 1");
    }
    expect(state.runs).toBe(1);
    expect(total()).toBe(0);
    expect(await call("k2")).toMatchObject(text("result 2"));
    expect(total()).toBe(1);
    expect(api.ledger.reserved()).toBe(0);
  });

  it("and held is not delivered to a repetition that waits for it, either", async () => {
    const { call, holdUp, begun } = await serve(sdk, { charge: "reserve" });
    const goOn = holdUp();
    const controller = new AbortController();
    const running = begun();
    const first = call("k", { signal: controller.signal });
    await running;
    const repeated = call("k");
    controller.abort();
    await expect(first).rejects.toThrow();
    goOn();
    expect(refusalOf(await repeated)).toMatchObject({ code: "idempotency_replay" });
    expect(total()).toBe(0);
  });

  it("and was held is delivered later where the cancellation came after its bill", async () => {
    const { call, state } = await serve(sdk, { charge: "reserve" });
    const { gateway } = api.ledger;
    const { commit } = gateway;
    const controller = new AbortController();
    gateway.commit = async (...asked) => {
      controller.abort();
      return Reflect.apply(commit, gateway, asked);
    };
    await expect(call("k", { signal: controller.signal })).rejects.toThrow();
    for (let attempt = 0; attempt < 3; attempt++) expect(await call("k")).toMatchObject(text("result 1"));
    expect(state.runs).toBe(1);
    expect(total()).toBe(1);
  });

  it.each(["call", "success"] as const)(
    "is billed by %s, so a repetition gets its result, and no second bill",
    async (charge) => {
      const { call, state, holdUp, begun } = await serve(sdk, { charge });
      const goOn = holdUp();
      const controller = new AbortController();
      const running = begun();
      const first = call("k", { signal: controller.signal });
      await running;
      controller.abort();
      await expect(first).rejects.toThrow();
      const repeated = call("k");
      goOn();
      expect(await repeated).toMatchObject(text("result 1"));
      expect(state.runs).toBe(1);
      expect(total()).toBe(1);
    },
  );
});

describe.each(SDKS)("%s: a bill that nobody can tell of", (sdk) => {
  // Another run would use another quantity.
  const using: ChargeOptions = {
    quantity: 9,
    resultQuantity: (result) => Number(/result (\d)/.exec(JSON.stringify(result))?.[1]),
  };

  it.each<["success" | "reserve", "drop-answer" | "drop-request" | "hang"]>([
    ["success", "drop-answer"],
    ["success", "drop-request"],
    ["success", "hang"],
    ["reserve", "drop-answer"],
    ["reserve", "drop-request"],
    ["reserve", "hang"],
  ])(
    "delivers nothing until it is settled, then what was run, once: charge %s, %s",
    async (charge, fault) => {
      const { call, state } = await serve(sdk, { charge, ...using }, newPaywall(400));
      state.onRun = () => {
        api.always = fault;
      };
      const refused = await call("k");
      expect(refusalOf(refused)).toMatchObject({ code: "billing_unavailable" });
      expect(JSON.stringify(refused)).not.toContain("result 1");
      const before = total();
      api.always = undefined;
      state.onRun = () => undefined;
      // The breaker may need its time.
      await expect.poll(() => call("k").then(refusalOf), { timeout: 20_000, interval: 200 }).toBeUndefined();
      expect(before).toBe(fault === "drop-answer" ? 1 : 0);
      expect(await call("k")).toMatchObject(text("result 1"));
      expect(state.runs).toBe(1);
      expect(total()).toBe(1);
    },
    30_000,
  );

  it.each(["success", "reserve"] as const)(
    "is settled once for all who wait for it, charge %s",
    async (charge) => {
      const { call, state, holdUp, begun } = await serve(sdk, { charge, ...using });
      const goOn = holdUp();
      const running = begun();
      const calls = Array.from({ length: 4 }, () => call("k"));
      await running;
      const [bill, answers] = charge === "success" ? ["verify", requests("verify")] : ["commit", 0];
      api.faults.push("drop-answer");
      goOn();
      for (const result of await Promise.all(calls)) expect(result).toMatchObject(text("result 1"));
      expect(requests(bill)).toBeGreaterThan(answers);
      expect(state.runs).toBe(1);
      expect(total()).toBe(1);
    },
  );
});

describe.each(SDKS)("%s: a bill that is refused", (sdk) => {
  it.each(["success", "reserve"] as const)("delivers nothing, then or later: charge %s", async (charge) => {
    const { call, state } = await serve(sdk, { charge });
    state.onRun = () => {
      api.faults.push({
        status: 402,
        body: JSON.stringify({ error: "The budget is used up.", code: "BUDGET_EXCEEDED" }),
      });
    };
    const refused = await call("k");
    expect(refusalOf(refused)).toMatchObject({ code: "budget_exceeded" });
    expect(total()).toBe(0);
    state.onRun = () => undefined;
    const repeated = await call("k");
    // What was held is held still and is used by the repetition.
    expect(repeated).toMatchObject(text("result 2"));
    expect(total()).toBe(1);
  });
});

it.each(SDKS)("%s: a reservation that has lapsed is billed once under the agent's key", async (sdk) => {
  const { gateway } = api.ledger;
  gateway.commit = async () => ({ value: { lapsed: true }, retried: false });
  const first = await serve(sdk, { charge: "reserve" });
  expect(await first.call("k")).toMatchObject(text("result 1"));
  expect(await first.call("k")).toMatchObject(text("result 1"));
  expect(total()).toBe(1);
  // Another process, whose hold is the same and gone as well.
  const second = await serve(sdk, { charge: "reserve" });
  expect(refusalOf(await second.call("k"))).toMatchObject({ code: "idempotency_replay" });
  expect(total()).toBe(1);
});

it.each(SDKS)("%s: a call that costs nothing is delivered again, and costs nothing", async (sdk) => {
  for (const charge of MODES) {
    const { call, state } = await serve(sdk, { charge, quantity: 0 });
    for (let attempt = 0; attempt < 2; attempt++) expect(await call(charge)).toMatchObject(text("result 1"));
    expect(state.runs).toBe(1);
  }
  const { call } = await serve(sdk, { charge: "reserve", quantity: 5, resultQuantity: () => 0 });
  for (let attempt = 0; attempt < 2; attempt++) expect(await call("k")).toMatchObject(text("result 1"));
  expect(total()).toBe(0);
});

it("a handler that is cancelled and ends all the same hands nothing out that was given back", async () => {
  const paywall = newPaywall();
  const handler = paywall.tool({ meterName: "api_calls", charge: "reserve" }, async (_extra: object) => {
    controller.abort(new Error("gone"));
    return text("finished");
  });
  const controller = new AbortController();
  await expect(handler({ signal: controller.signal })).rejects.toThrow("gone");
  expect(total()).toBe(0);
  expect(api.ledger.reserved()).toBe(0);
});

/** Keeps the API from answering for a token until it is let go on. */
function holdUpAnswers(of: string) {
  const { gateway } = api.ledger;
  const { verify } = gateway;
  let goOn = () => {};
  const going = new Promise<void>((resolve) => (goOn = resolve));
  const asked = new Promise<void>((resolve) => {
    gateway.verify = async (...sent) => {
      if (sent[0] === of) {
        resolve();
        await going;
      }
      return Reflect.apply(verify, gateway, sent);
    };
  });
  return { asked, goOn };
}

describe("a repetition that waits for a call", () => {
  const keyed = (signal = new AbortController().signal) => ({
    signal,
    _meta: { [IDEMPOTENCY_META_KEY]: "k" },
  });

  it.each(MODES)("is not refused for that one's credential, charge %s", async (charge) => {
    const handler = newPaywall().tool({ name: "t", meterName: "api_calls", charge }, async (_: object) =>
      text("ran"),
    );
    const old = token;
    await handler({});
    const good = api.ledger.authorize("agt_1");
    token = good;
    await handler({});
    api.ledger.revoke(old);
    const { reserve } = api.ledger.gateway;
    const { asked, goOn } = holdUpAnswers(old);
    const { verify } = api.ledger.gateway;
    api.ledger.gateway.reserve = async (...sent) => {
      await verify(sent[0], {}, sent[2]);
      return reserve(...sent);
    };
    token = old;
    const first = handler(keyed());
    await asked;
    token = good;
    const second = handler(keyed());
    goOn();
    expect(refusalOf(await first)).toMatchObject({ code: "invalid_token" });
    expect(await second).toEqual(text("ran"));
    expect(total()).toBe(3);
  });

  it("is not cancelled with it", async () => {
    const handler = newPaywall().tool(
      { name: "t", meterName: "api_calls", charge: "success" },
      async (_: object) => text("ran"),
    );
    await handler({});
    const controller = new AbortController();
    const { asked, goOn } = holdUpAnswers(token);
    const first = handler(keyed(controller.signal));
    await asked;
    const second = handler(keyed());
    controller.abort(new Error("gone"));
    goOn();
    await expect(first).rejects.toThrow("gone");
    expect(await second).toEqual(text("ran"));
    expect(total()).toBe(2);
  });
});

it("a thrown result that was billed is thrown again, and one that was not is run again", async () => {
  const paywall = newPaywall();
  const outputSchema = { n: z.number() };
  for (const [charge, runs] of [
    ["call", 1],
    ["success", 2],
  ] as const) {
    const server = new McpServerV1({ name: "server", version: "1" });
    let ran = 0;
    server.registerTool("t", { outputSchema }, async () => {
      ran++;
      return { content: [], structuredContent: { n: "no number" } };
    });
    paywall.protect(server, { tools: { t: { meterName: "api_calls", charge } } });
    const client = await connectV1(server);
    const _meta = { [IDEMPOTENCY_META_KEY]: charge };
    for (let attempt = 0; attempt < 2; attempt++)
      expect((await client.callTool({ name: "t", _meta })).isError).toBe(true);
    expect(ran).toBe(runs);
  }
  expect(total()).toBe(1);
});

it.each(["success", "reserve"] as const)(
  "a call that is refused once it has run says so, whatever it is refused for: charge %s",
  async (charge) => {
    const answers = [
      [402, "BUDGET_EXCEEDED", "budget_exceeded"],
      [401, "UNAUTHORIZED", "invalid_token"],
      [403, "INSUFFICIENT_SCOPE", "insufficient_scope"],
      [422, "UNPROCESSABLE", "misconfigured"],
      [503, "INTERNAL_ERROR", "billing_unavailable"],
    ] as const;
    for (const [status, code, refusal] of answers) {
      const handler = newPaywall(100).tool(
        { name: "t", meterName: "api_calls", charge },
        async (_: object) => {
          api.always = { status, body: JSON.stringify({ error: "RefusedError.", code }) };
          return text("ran");
        },
      );
      const refused = await handler({});
      api.always = undefined;
      expect(refusalOf(refused)).toMatchObject({
        code: refusal,
        message: expect.stringMatching(/its result is withheld/),
      });
      expect(JSON.stringify(refused)).not.toMatch(/[Nn]othing was run|was not run/);
    }
  },
);
