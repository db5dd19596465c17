import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ChargeOptions, createPaywall, type Paywall, type PaywallEvents } from "../src/index.ts";
import { refusalOf, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

let api: StandIn;
let paywall: Paywall;
let failed: PaywallEvents["failed"][];
beforeEach(async () => {
  api = await startStandIn();
  paywall = createPaywall({ baseUrl: api.url, token: ({ meta }) => String(meta) });
  // What a test leaves unanswered fails when its API closes: no later test hears of it.
  const heard: PaywallEvents["failed"][] = [];
  failed = heard;
  paywall.on("failed", (event) => heard.push(event));
});
afterEach(async () => {
  // What it has not answered ends with it.
  await api.close();
  await paywall.close({ timeout: 100 });
});

/** A context is known by its signal: whatever could have been sent is arguments. */
const contextWith = (token: string) => ({ signal: new AbortController().signal, _meta: token });

type Call = (token: string) => Promise<object>;
const charged = (charge: Partial<ChargeOptions> = {}): Call => {
  const handler = paywall.tool({ meterName: "api_calls", ...charge }, async (_extra: object) => text("ran"));
  return (token) => handler(contextWith(token));
};

const isServed = (result: object) => refusalOf(result) === undefined;

describe("an API that answers 25 requests in a second", () => {
  it("serves one agent while another sends 120 calls at once", { timeout: 20_000 }, async () => {
    const [busy, patient] = [api.ledger.authorize("agt_busy"), api.ledger.authorize("agt_patient")];
    const call = charged();
    api.work = 40;
    const burst = Promise.all(Array.from({ length: 120 }, () => call(busy)));
    let over = false;
    void burst.then(() => {
      over = true;
    });
    /** How many requests the API got while each call waited for its answer. */
    const meanwhile: number[] = [];
    while (!over) {
      const before = api.ledger.usage.length;
      expect(refusalOf(await call(patient))).toBeUndefined();
      meanwhile.push(api.ledger.usage.length - before);
      await setTimeout(250);
    }
    expect(meanwhile.length).toBeGreaterThan(4);
    // The other's 16 that it finds before it, one more for each that is answered, and its own: not all 120.
    expect(Math.max(...meanwhile)).toBeLessThan(40);
    const results = await burst;
    const served = results.filter(isServed);
    expect(served.length).toBeGreaterThan(60);
    const refusals = results.filter((result) => !isServed(result)).map(refusalOf);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ code: "rate_limited", retryable: true, retryAfter: 5 });
    }
    expect(api.ledger.usage).toHaveLength(served.length + meanwhile.length);
    expect(failed).toEqual([]);
  });
});

/** Has the API answer nothing to some tokens. */
function hold(isHeld: (token: string) => boolean): void {
  const { gateway } = api.ledger;
  const { verify } = gateway;
  gateway.verify = async (token, ...rest) => (isHeld(token) ? new Promise(() => {}) : verify(token, ...rest));
}

/** Sends calls all at once; answers what came of them so far. */
function sendAll(call: Call, tokens: readonly string[]): object[] {
  const results: object[] = [];
  for (const token of tokens) void call(token).then((result) => results.push(result));
  return results;
}

it("tells an agent at once that sends more than can wait, before any other is answered", async () => {
  const [busy, patient] = [api.ledger.authorize("agt_busy"), api.ledger.authorize("agt_patient")];
  const call = charged();
  hold((token) => token === busy);
  const results = sendAll(call, Array(1_000).fill(busy));
  // 16 are in flight, and 256 wait.
  await vi.waitFor(() => expect(results).toHaveLength(728));
  for (const result of results) expect(refusalOf(result)).toMatchObject({ code: "rate_limited" });
  expect(await call(patient)).toEqual(text("ran"));
  expect(failed).toEqual([]);
});

describe("tokens that somebody has made up", () => {
  const strangers = (count: number) =>
    Array.from({ length: count }, (_, index) => `AGT-made-up-${String(index).padStart(6, "0")}`);
  const isStranger = (token: string) => token.startsWith("AGT-made-up-");

  it.each(["call", "success", "reserve"] as const)(
    "do not hold up an agent that is known, charge %s",
    async (charge) => {
      const good = api.ledger.authorize("agt_good");
      const call = charged({ charge });
      expect(await call(good)).toEqual(text("ran"));
      hold(isStranger);
      const flood = sendAll(charged(), strangers(600));
      const results = await Promise.all(Array.from({ length: 40 }, () => call(good)));
      expect(results.filter(isServed)).toHaveLength(40);
      expect(api.ledger.usage).toHaveLength(41);
      // They are waiting still, and 184 of them are with the API.
      expect(flood).toEqual([]);
      expect(api.seen.filter((line) => line.includes("AGT-made-up-"))).toHaveLength(184);
      expect(failed).toEqual([]);
    },
  );

  it("are refused, as many as are more than can wait", async () => {
    hold(isStranger);
    const results = sendAll(charged(), strangers(4_400));
    // 184 are in flight, and 4,096 wait.
    await vi.waitFor(() => expect(results).toHaveLength(120));
    for (const result of results)
      expect(refusalOf(result)).toMatchObject({ code: "rate_limited", retryable: true, retryAfter: 5 });
    expect(failed).toEqual([]);
  });

  it("leave a way to who comes for the first time, or with a rotated token", async () => {
    const call = charged();
    const old = api.ledger.authorize("agt_good");
    expect(await call(old)).toEqual(text("ran"));
    const flood = sendAll(call, strangers(150));
    const [rotated, first] = [api.ledger.authorize("agt_good"), api.ledger.authorize("agt_new")];
    const results = await Promise.all([rotated, first].flatMap((token) => [call(token), call(token)]));
    expect(results.filter(isServed)).toHaveLength(4);
    await vi.waitFor(() => expect(flood).toHaveLength(150));
    for (const result of flood) expect(refusalOf(result)).toMatchObject({ code: "invalid_token" });
    // Now they are known.
    hold(isStranger);
    const next = sendAll(call, strangers(150));
    expect(await call(rotated)).toEqual(text("ran"));
    expect(await call(first)).toEqual(text("ran"));
    expect(next).toEqual([]);
  });
});

it.each(["success", "reserve"] as const)(
  "throws away no work of a burst that has run, charge %s",
  async (charge) => {
    const quick = createPaywall({ baseUrl: api.url, token: ({ meta }) => String(meta), timeout: 1_500 });
    quick.on("failed", (event) => failed.push(event));
    const token = api.ledger.authorize("agt_busy");
    let runs = 0;
    const handler = quick.tool({ meterName: "api_calls", charge }, async (_extra: object) => {
      runs++;
      return text("ran");
    });
    api.work = 15;
    const results = await Promise.all(Array.from({ length: 160 }, () => handler(contextWith(token))));
    expect(results.filter(isServed)).toHaveLength(runs);
    expect(api.ledger.usage).toHaveLength(runs);
    expect(failed).toEqual([]);
    await quick.close();
  },
);

it.each([2_600, 4_700])("an API that is slow is not away: %d ms", { timeout: 20_000 }, async (delay) => {
  const token = api.ledger.authorize("agt_1");
  const calls = [
    charged({ charge: "call" }),
    charged({ charge: "success" }),
    charged({ charge: "reserve" }),
    // Asks who calls, and then bills.
    charged({ quantity: () => 1 }),
  ];
  api.delay = delay;
  const results = await Promise.all([...calls, ...calls].map((call) => call(token)));
  expect(results.filter(isServed)).toHaveLength(8);
  expect(api.ledger.usage).toHaveLength(8);
  expect(failed).toEqual([]);
});

it("keeps the rate limit of one agent to that agent", async () => {
  const [limited, other] = [api.ledger.authorize("agt_limited"), api.ledger.authorize("agt_other")];
  const call = charged();
  const { verify } = api.ledger.gateway;
  api.ledger.gateway.verify = async (token, ...rest) => {
    if (token !== limited) return verify(token, ...rest);
    return { ...RATE_LIMITED, cause: undefined };
  };
  const results = await Promise.all(Array.from({ length: 50 }, () => call(limited)));
  for (const result of results)
    expect(refusalOf(result)).toMatchObject({ code: "rate_limited", retryAfter: 17 });
  expect(await call(other)).toEqual(text("ran"));
  expect(failed).toEqual([]);
});

const RATE_LIMITED = {
  refusal: {
    code: "rate_limited",
    message: "Too many calls.",
    status: 429,
    retryable: true,
    retryAfter: 17,
  },
  unknown: false,
} as const;

it("does not take the failures of one agent's requests for an outage of another's", async () => {
  const [broken, other] = [api.ledger.authorize("agt_broken"), api.ledger.authorize("agt_other")];
  const call = charged();
  const { verify } = api.ledger.gateway;
  api.ledger.gateway.verify = async (token, ...rest) => {
    if (token !== broken) return verify(token, ...rest);
    return { refusal: { ...RATE_LIMITED.refusal, status: 500 }, unknown: false, cause: undefined };
  };
  for (let index = 0; index < 5; index++)
    expect(refusalOf(await call(broken))).toMatchObject({ code: "billing_unavailable" });
  api.seen.length = 0;
  await call(broken);
  expect(api.seen).toEqual([]);
  expect(await call(other)).toEqual(text("ran"));
});
