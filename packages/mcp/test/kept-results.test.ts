import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IDEMPOTENCY_META_KEY } from "../src/index.ts";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";
import { refusalOf, text } from "./connect.ts";

// What is kept for repetitions is bounded, and no agent's calls are the ones that pay for another agent's memory.

const LIMIT = 1_000;

let paywall: TestPaywall;
let mine: string;
let others: string;
beforeEach(() => {
  paywall = createTestPaywall({ token: ({ meta }) => tokenIn(meta) });
  mine = paywall.authorize("agt_mine");
  others = paywall.authorize("agt_other");
});
afterEach(() => paywall.close());

function tokenIn(meta: unknown): string | undefined {
  const token: unknown = typeof meta === "object" && meta !== null ? Reflect.get(meta, "token") : undefined;
  return typeof token === "string" ? token : undefined;
}

const contextOf = (token: string, key: string) => ({
  signal: new AbortController().signal,
  _meta: { token, [IDEMPOTENCY_META_KEY]: key },
});

/** A tool whose every run gives another result, of a size. */
function counted(charge: object, size = 1) {
  const state = { runs: 0 };
  const handler = paywall.tool({ name: "counted", ...charge }, async (_context: object) =>
    text(`${++state.runs} ${"x".repeat(size)}`),
  );
  return { state, call: (token: string, key: string) => handler(contextOf(token, key)) };
}

describe("a kept result", () => {
  it.each([
    ["free", {}],
    ["paid by success", { meterName: "calls", charge: "success" }],
  ])("is not pushed out by another agent's calls, however many there are: %s", async (_, charge) => {
    const { state, call } = counted(charge);
    const first = await call(mine, "k");
    const free = counted({ name: "free" });
    for (let index = 0; index < LIMIT + 10; index++) await free.call(others, `k${index}`);
    expect(await call(mine, "k")).toEqual(first);
    expect(state.runs).toBe(1);
  });

  it("is not pushed out by another agent's large results", async () => {
    const { state, call } = counted({});
    const first = await call(mine, "k");
    const large = counted({ name: "large" }, 900_000);
    for (let index = 0; index < 50; index++) await large.call(others, `k${index}`);
    expect(await call(mine, "k")).toEqual(first);
    expect(state.runs).toBe(1);
    // The other agent has the last ones of its own still.
    await large.call(others, "k49");
    expect(large.state.runs).toBe(50);
  });

  it("is kept for a newcomer where agents together hold all that can be kept", async () => {
    const large = counted({ name: "large" }, 900_000);
    for (let agent = 0; agent < 10; agent++) {
      const token = paywall.authorize(`agt_${agent}`);
      for (let index = 0; index < 10; index++) await large.call(token, `k${index}`);
    }
    const { state, call } = counted({}, 900_000);
    const first = await call(mine, "k");
    expect(await call(mine, "k")).toEqual(first);
    expect(state.runs).toBe(1);
  });

  it("makes way for newer ones of its own agent", async () => {
    const { state, call } = counted({});
    for (let index = 0; index <= LIMIT; index++) await call(mine, `k${index}`);
    await call(mine, `k${LIMIT}`);
    expect(state.runs).toBe(LIMIT + 1);
    await call(mine, "k0");
    expect(state.runs).toBe(LIMIT + 2);
  });
});

describe("a call that has not ended", () => {
  it("is never run again by its repetition, and what does not fit beside it is refused and not billed", async () => {
    let runs = 0;
    let goOn = () => {};
    const going = new Promise<void>((resolve) => (goOn = resolve));
    const handler = paywall.tool({ name: "slow", meterName: "calls" }, async (_context: object) => {
      runs++;
      await going;
      return text("ran");
    });
    // Who calls has to be known for its calls to be counted before they are billed.
    await paywall.tool({ name: "known" }, async (_context: object) => text("known"))(
      contextOf(mine, "known"),
    );
    const pending = Array.from({ length: LIMIT }, (_, index) => handler(contextOf(mine, `k${index}`)));
    await expect.poll(() => runs).toBe(LIMIT);
    const refused = await handler(contextOf(mine, "one more"));
    expect(refusalOf(refused)).toMatchObject({
      code: "rate_limited",
      retryable: true,
      message: expect.stringMatching(/1000 .*Nothing was run or charged/),
    });
    expect(paywall.billed).toHaveLength(LIMIT);
    // Neither is another agent, nor a call without a key, refused for it.
    const free = paywall.tool({ name: "free" }, async (_context: object) => text("free"));
    expect(await free(contextOf(others, "k"))).toEqual(text("free"));
    const repeated = handler(contextOf(mine, "k0"));
    goOn();
    expect(await repeated).toEqual(text("ran"));
    await Promise.all(pending);
    expect(runs).toBe(LIMIT);
    expect(await handler(contextOf(mine, "one more"))).toEqual(text("ran"));
    expect(paywall.billed).toHaveLength(LIMIT + 1);
  });
});
