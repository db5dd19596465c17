import { AuthenticationError, type Licentric } from "@licentric/sdk";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createSdkGateway } from "./sdk-gateway.ts";

const LATENCY = 250;
const REAL = "AGT-of-a-real-agent";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The numbers of mulberry32, from a seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The moments at which the API answers: one timer for all requests of a moment, since each one slows all others. */
const answers = new Map<number, Promise<void>>();
beforeEach(() => answers.clear());

function answerAfterLatency(): Promise<void> {
  const now = Date.now();
  const known = answers.get(now);
  if (known !== undefined) return known;
  const answer = new Promise<void>((resolve) => setTimeout(resolve, LATENCY));
  answers.set(now, answer);
  return answer;
}

/** An API that answers after a while, and knows one agent. */
const client = {
  mcp: {
    verify: async (token: string) => {
      await answerAfterLatency();
      if (token === REAL) return { accountId: "acc_1", agentId: "agt_1", scopes: [] };
      throw Object.create(AuthenticationError.prototype, { answeredByApi: { value: true } });
    },
  },
} as unknown as Licentric;

function gatewayFrom(seed: number) {
  const gateway = createSdkGateway(client, { random: randomFrom(seed) });
  return async (token: string) => {
    const answer = await gateway.verify(token, {}, { idempotencyKey: "k", deadline: 5_000 });
    return "refusal" in answer ? answer.refusal.code : "served";
  };
}

/** Lets time go on until something has come, and not for all of the flood. */
async function after<Value>(coming: Promise<Value>): Promise<Value> {
  let isThere = false;
  void coming.then(() => (isThere = true));
  for (let waited = 0; waited < 11_000 && !isThere; waited += 50) await vi.advanceTimersByTimeAsync(50);
  vi.clearAllTimers();
  answers.clear();
  return coming;
}

describe.each([
  ["1,200 made-up tokens", 1_200, 1],
  ["75 made-up tokens, 16 times each", 75, 16],
  ["5,000 made-up tokens", 5_000, 1],
])("%s at once", (_, tokens, times) => {
  const flood = Array.from({ length: tokens * times }, (_, index) => `AGT-made-up-${index % tokens}`);

  it("do not keep a new agent that comes after them from being served", async () => {
    for (const seed of [1, 2]) {
      const verify = gatewayFrom(seed);
      for (const token of flood) void verify(token);
      await vi.advanceTimersByTimeAsync(50);
      expect(await after(verify(REAL))).toBe("served");
    }
  });

  it("do not keep a new agent's whole burst from being served", async () => {
    const verify = gatewayFrom(4);
    for (const token of flood) void verify(token);
    await vi.advanceTimersByTimeAsync(50);
    const burst = Promise.all(Array.from({ length: 20 }, () => verify(REAL)));
    expect(new Set(await after(burst))).toEqual(new Set(["served"]));
  });
});

it("serves a new agent among made-up tokens as often as the API can answer all of them in its time", async () => {
  for (const [strangers, atLeast] of [
    [1_200, 4],
    [5_000, 2],
  ] as const) {
    let served = 0;
    for (let seed = 0; seed < 4; seed++) {
      const verify = gatewayFrom(seed);
      const place = Math.floor(((seed + 0.5) / 4) * strangers);
      let real: Promise<string> | undefined;
      for (let index = 0; index < strangers; index++) {
        if (index === place) real = verify(REAL);
        void verify(`AGT-made-up-${index}`);
      }
      if (real !== undefined && (await after(real)) === "served") served++;
    }
    expect(served, `of 4, among ${strangers}`).toBeGreaterThanOrEqual(atLeast);
  }
}, 60_000);
