import { describe, expect, it } from "vitest";
import { refuse } from "../refusal/refusal.ts";
import { losing } from "../testing/losing-gateway.ts";
import { createTestCharging } from "../testing/test-charging.ts";
import { createTestLedger } from "../testing/test-ledger.ts";
import { withResolvers } from "../util/with-resolvers.ts";

const MODES = ["call", "success", "reserve"] as const;
const pages = (charge: (typeof MODES)[number]) => ({ meterName: "pages", charge, quantity: 20 });
const key = "k";
const unreachable = () => expect.unreachable("it ran again");
const error = new Error("no such city");

/** A run that goes on until it is told to end, and says when it has begun. */
function slow(end: () => unknown = () => "first") {
  const [begun, going] = [withResolvers<void>(), withResolvers<void>()];
  const run = async () => {
    begun.resolve();
    await going.promise;
    return end();
  };
  return { run, begun: begun.promise, end: going.resolve };
}

/** Lets everything go on that waits for no run. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe.each(MODES)("a repetition under its agent's key, charged by %s", (charge) => {
  it.each([false, true])("is given the first one's result and receipt: known agent %s", async (isKnown) => {
    const { call, billed } = createTestCharging();
    if (isKnown) await call({}, {});
    const first = await call({ key }, pages(charge), () => "first");
    expect(first).toMatchObject({ result: "first", receipt: { quantity: 20 } });
    expect(await call({ key }, pages(charge), unreachable)).toEqual(first);
    expect(billed()).toEqual([20]);
    expect(await call({ key: "other" }, pages(charge), () => "other")).toMatchObject({ result: "other" });
    expect(billed()).toEqual([20, 20]);
  });

  it.each([false, true])("waits for the first one: known agent %s", async (isKnown) => {
    const { call, billed } = createTestCharging();
    if (isKnown) await call({}, {});
    const { run, begun, end } = slow();
    const first = call({ key }, pages(charge), run);
    const early = call({ key }, pages(charge), unreachable);
    await begun;
    const late = call({ key }, pages(charge), unreachable);
    await settled();
    end();
    expect(await first).toMatchObject({ result: "first" });
    expect(await Promise.all([early, late])).toEqual([await first, await first]);
    expect(billed()).toEqual([20]);
  });

  it("is refused with other arguments, or where another handler has its key", async () => {
    const { call, told, billed, ledger } = createTestCharging();
    await call({ key, madeOf: "one" }, pages(charge));
    const conflict = await call({ key, args: { city: "Oslo" } }, pages(charge), unreachable);
    expect(conflict).toMatchObject({ refusal: { code: "idempotency_conflict" } });
    const unknown = await call({ key, madeOf: "other" }, pages(charge), unreachable);
    expect(unknown).toMatchObject({
      refusal: {
        code: "idempotency_replay",
        message: expect.stringMatching(/handler or arguments .* cannot tell .*Nothing was run or charged\.$/),
      },
    });
    const subject = { kind: "call", name: "report", agentId: "agt_1" };
    expect(told("denied")).toMatchObject([
      { ...subject, refusal: { code: "idempotency_conflict" } },
      { ...subject, refusal: { code: "idempotency_replay" } },
    ]);
    expect([billed(), ledger.reserved()]).toEqual([[20], 0]);
  });

  it("is given it only where its own credential is good, and has the scopes", async () => {
    const { call, ledger, token, told } = createTestCharging();
    const options = { ...pages(charge), scopes: ["mcp:invoke"] };
    const first = await call({ key }, options, () => "first");
    const [other, narrow] = [ledger.authorize("agt_1"), ledger.authorize("agt_1", { scopes: ["none"] })];
    // The API says whose they are.
    for (const each of [other, narrow]) await call({ token: each }, {});
    ledger.revoke(token);
    expect(await call({ key, token }, options, unreachable)).toMatchObject({
      refusal: { code: "invalid_token" },
    });
    expect(await call({ key, token: narrow }, options, unreachable)).toMatchObject({
      refusal: { code: "insufficient_scope", requiredScopes: ["mcp:invoke"] },
    });
    expect(told("denied").map(({ refusal }) => refusal.code)).toEqual([
      "invalid_token",
      "insufficient_scope",
    ]);
    expect(await call({ key, token: other }, options, unreachable)).toEqual(first);
    expect(ledger.usage).toHaveLength(1);
  });

  it("is given it by a credential that was not known to be its agent's", async () => {
    const { call, ledger } = createTestCharging();
    const first = await call({ key }, pages(charge), () => "first");
    const token = ledger.authorize("agt_1");
    expect(await call({ key, token }, pages(charge), unreachable)).toEqual(first);
    expect([ledger.usage.length, ledger.reserved()]).toEqual([1, 0]);
  });

  it("is another agent's own call", async () => {
    const { call, ledger, billed } = createTestCharging();
    await call({ key }, pages(charge), () => "first");
    const token = ledger.authorize("agt_2");
    expect(await call({ key, token }, pages(charge), () => "second")).toMatchObject({ result: "second" });
    expect(billed()).toEqual([20, 20]);
  });

  it("is refused where its result is not kept here", async () => {
    const ledger = createTestLedger();
    const [one, other] = [createTestCharging({ ledger }), createTestCharging({ ledger })];
    const token = ledger.authorize("agt_shared");
    await one.call({ key, token }, pages(charge), () => "first");
    const run = charge === "success" ? () => "again" : unreachable;
    expect(await other.call({ key, token }, pages(charge), run)).toMatchObject({
      refusal: { code: "idempotency_replay", message: expect.stringContaining("no longer kept") },
    });
    expect(other.told("denied")).toMatchObject([
      { kind: "call", name: "report", refusal: { code: "idempotency_replay" }, agentId: "agt_shared" },
    ]);
    expect([ledger.usage.length, ledger.reserved()]).toEqual([1, 0]);
  });

  it("runs after ten minutes only where nothing is billed for it", async () => {
    const { call, wait, billed } = createTestCharging();
    await call({ key }, pages(charge), () => "first");
    wait(600_000);
    const again = await call({ key }, pages(charge), () => "again");
    expect(again).toMatchObject({ refusal: { code: "idempotency_replay" } });
    expect(billed()).toEqual([20]);
  });

  it("fails as the first one did where that was billed, and runs where it was not", async () => {
    const { call, billed } = createTestCharging();
    const fail = () => Promise.reject(error);
    await expect(call({ key }, pages(charge), fail)).rejects.toBe(error);
    if (charge === "call") await expect(call({ key }, pages(charge), unreachable)).rejects.toBe(error);
    // Reserved units that were given back are not reserved again under one key.
    else if (charge === "success")
      expect(await call({ key }, pages(charge))).toMatchObject({ result: "ran" });
    expect(billed()).toEqual(charge === "reserve" ? [] : [20]);
  });

  it("fails as the first one does where it waits for that", async () => {
    const { call } = createTestCharging();
    const { run, begun, end } = slow(() => Promise.reject(error));
    const first = call({ key }, pages(charge), run);
    await begun;
    const second = call({ key }, pages(charge), unreachable);
    await settled();
    end();
    await expect(first).rejects.toBe(error);
    await expect(second).rejects.toBe(error);
  });

  it("is refused as the first one is where it waits for that, and runs where it comes later", async () => {
    const { call, ledger, told } = createTestCharging();
    await call({}, {});
    ledger.refuseWith("rate_limited");
    const both = await Promise.all([1, 2].map(() => call({ key }, pages(charge), unreachable)));
    expect(both).toMatchObject([
      { refusal: { code: "rate_limited" } },
      { refusal: { code: "rate_limited" } },
    ]);
    expect(told("denied").length).toBeGreaterThan(0);
    ledger.refuseWith(undefined);
    expect(await call({ key }, pages(charge))).toMatchObject({ result: "ran" });
    expect(ledger.usage).toHaveLength(1);
  });

  it("runs by its own credential where that of the first one is refused", async () => {
    const { call, ledger, token } = createTestCharging();
    const other = ledger.authorize("agt_1");
    for (const each of [token, other]) await call({ token: each }, {});
    ledger.revoke(token);
    const refused = call({ key, token }, pages(charge), unreachable);
    const second = call({ key, token: other }, pages(charge), () => "second");
    expect(await refused).toMatchObject({ refusal: { code: "invalid_token" } });
    expect(await second).toMatchObject({ result: "second" });
    expect(ledger.usage).toHaveLength(1);
  });

  it.each([false, true])(
    "runs where the first one was cancelled before it began: known agent %s",
    async (isKnown) => {
      const { call, ledger } = createTestCharging();
      if (isKnown) await call({}, {});
      const signal = AbortSignal.abort(error);
      const first = call({ key, signal }, pages(charge), unreachable);
      const second = call({ key }, pages(charge), () => "second");
      await expect(first).rejects.toBe(error);
      expect(await second).toMatchObject({ result: "second" });
      expect(ledger.usage).toHaveLength(1);
    },
  );
});

describe("a repetition of a call that costs nothing", () => {
  const free = [{}, { meterName: "pages", quantity: () => 0 }];
  it.each(free)("is given the first one's result, and waits for it: %j", async (options) => {
    const { call, told, ledger } = createTestCharging();
    const { run, begun, end } = slow();
    const first = call({ key }, options, run);
    await begun;
    const second = call({ key }, options, unreachable);
    await settled();
    end();
    expect([await first, await second]).toEqual([{ result: "first" }, { result: "first" }]);
    expect(await call({ key }, options, unreachable)).toEqual({ result: "first" });
    expect([told("metered"), ledger.usage]).toEqual([[], []]);
  });

  it.each(free)("is refused with other arguments by an agent that was not known: %j", async (options) => {
    const { call, ledger, told } = createTestCharging();
    await call({ key }, options);
    const token = ledger.authorize("agt_1");
    expect(await call({ key, token, args: { city: "Oslo" } }, options, unreachable)).toMatchObject({
      refusal: { code: "idempotency_conflict" },
    });
    expect(told("denied")).toMatchObject([{ agentId: "agt_1" }]);
  });
});

describe("calls of an agent that is learned by its bill", () => {
  it("are refused together where they come together", async () => {
    const { call, ledger, told } = createTestCharging();
    ledger.refuseWith("budget_exceeded");
    const both = await Promise.all([1, 2].map(() => call({ key }, pages("call"), unreachable)));
    expect(both).toMatchObject([
      { refusal: { code: "budget_exceeded" } },
      { refusal: { code: "budget_exceeded" } },
    ]);
    expect([ledger.requests, told("denied").length]).toEqual([["verify"], 1]);
  });

  it.each([
    ["keys", { key: "other" }],
    ["arguments", { args: { city: "Oslo" } }],
    ["rounds", { round: "yes" }],
  ])("do not wait for each other where their %s differ", async (_, other) => {
    const { call } = createTestCharging();
    const { run, begun, end } = slow();
    const first = call({ key }, pages("call"), run);
    const second = call({ key, ...other }, pages("call"), () => "second");
    await begun;
    expect(await second).toMatchObject({ result: "second" });
    end();
    expect(await first).toMatchObject({ result: "first" });
  });

  it("are given the result where the answer to their bill was lost at first", async () => {
    let lossy: ReturnType<typeof losing> | undefined;
    const { call, ledger } = createTestCharging({
      through: (gateway) => {
        lossy = losing(gateway);
        return lossy;
      },
    });
    const first = await call({ key }, pages("call"), () => "first");
    const token = ledger.authorize("agt_1");
    if (lossy !== undefined) lossy.fates = ["retried"];
    // Its own try may have been what was recorded, so it is not refused; its result is here all the same.
    expect(await call({ key, token }, pages("call"), unreachable)).toEqual(first);
    expect(ledger.usage).toHaveLength(1);
  });

  it("run once where the answer to their first bill was lost", async () => {
    const { call, ledger } = createTestCharging({
      through: (gateway) => Object.assign(losing(gateway), { fates: ["answer"] }),
    });
    const refused = await call({ key }, pages("call"), unreachable);
    expect(refused).toMatchObject({ refusal: { code: "billing_unavailable" } });
    expect(await call({ key }, pages("call"), () => "ran")).toMatchObject({ result: "ran" });
    expect(await call({ key }, pages("call"), unreachable)).toMatchObject({ result: "ran" });
    expect(ledger.usage).toHaveLength(1);
  });
});

describe("a thousand calls of an agent that have not ended", () => {
  it("have one more refused, neither run nor billed, and one of an agent not known before run", async () => {
    const { call, ledger, told, billed } = createTestCharging({ cacheTtl: 60_000 });
    await call({}, {});
    const { run, end } = slow();
    const calls = Array.from({ length: 1_000 }, (_, index) => call({ key: `k${index}` }, {}, run));
    await settled();
    const refusal = {
      code: "rate_limited",
      message: expect.stringMatching(/^This agent has 1000 calls .* Nothing was run or charged\.$/),
    };
    expect(await call({ key }, pages("call"), unreachable)).toMatchObject({ refusal });
    expect(told("denied")).toMatchObject([{ refusal: { code: "rate_limited" }, agentId: "agt_1" }]);
    expect(billed()).toEqual([]);
    const token = ledger.authorize("agt_1");
    // What is billed runs.
    expect(await call({ key, token }, pages("call"))).toMatchObject({ result: "ran" });
    end();
    await Promise.all(calls);
    expect(await call({ key: "after" }, pages("call"))).toMatchObject({ result: "ran" });
  });
});

describe.each(["success", "reserve"] as const)(
  "a result that could not be billed, charged by %s",
  (charge) => {
    /** Charges for a call whose bill is refused. */
    async function makeUnbilled(code: "billing_unavailable" | "budget_exceeded" = "billing_unavailable") {
      const charging = createTestCharging();
      const { call, ledger } = charging;
      const refused = await call({ key }, pages(charge), () => {
        ledger.refuseWith(code);
        return "first";
      });
      expect(refused).toMatchObject({ refusal: { code } });
      const other = ledger.authorize("agt_1");
      return { ...charging, other };
    }

    it("is billed by its repetition, once, and then given", async () => {
      const { call, ledger } = await makeUnbilled();
      const refused = await call({ key }, pages(charge), unreachable);
      expect(refused).toMatchObject({ refusal: { code: "billing_unavailable" } });
      ledger.refuseWith(undefined);
      const [one, two] = await Promise.all([1, 2].map(() => call({ key }, pages(charge), unreachable)));
      const events = ledger.usage.map(({ idempotencyKey, quantity }) => ({ idempotencyKey, quantity }));
      expect(one).toEqual({ result: "first", receipt: { meterName: "pages", quantity: 20, events } });
      expect([two, await call({ key }, pages(charge), unreachable)]).toEqual([one, one]);
      expect([events.length, ledger.reserved()]).toEqual([1, 0]);
    });

    it("is refused to its repetition while the API takes its credential and no bill", async () => {
      const { call, ledger } = await makeUnbilled();
      ledger.refuseWith(undefined);
      const { gateway } = ledger;
      const { verify, commit } = gateway;
      const lost = { refusal: refuse("billing_unavailable"), unknown: false, cause: undefined };
      gateway.verify = async (...asked) => (asked[1].meterName === undefined ? verify(...asked) : lost);
      gateway.commit = async () => lost;
      expect(await call({ key }, pages(charge), unreachable)).toMatchObject({
        refusal: { code: "billing_unavailable" },
      });
      Object.assign(gateway, { verify, commit });
      expect(await call({ key }, pages(charge), unreachable)).toMatchObject({ result: "first" });
      expect(ledger.usage).toHaveLength(1);
    });

    it("is billed by the credential of its repetition where the first one is not good any more", async () => {
      const { call, ledger, token, other } = await makeUnbilled();
      ledger.refuseWith(undefined);
      await call({ token: other }, {});
      ledger.revoke(token);
      expect(await call({ key, token }, pages(charge), unreachable)).toMatchObject({
        refusal: { code: "invalid_token" },
      });
      expect(await call({ key, token: other }, pages(charge), unreachable)).toMatchObject({
        result: "first",
      });
      expect(ledger.usage).toHaveLength(1);
    });

    it("is lost, and not billed, where that was refused for good", async () => {
      const { call, ledger } = await makeUnbilled("budget_exceeded");
      ledger.refuseWith(undefined);
      if (charge === "success")
        expect(await call({ key }, pages(charge), () => "again")).toMatchObject({ result: "again" });
      expect(ledger.usage).toHaveLength(charge === "success" ? 1 : 0);
    });

    it("is refused to a repetition that waits for it, where that was refused for good", async () => {
      const { call, ledger } = createTestCharging();
      const { run, begun, end } = slow(() => ledger.refuseWith("budget_exceeded"));
      const first = call({ key }, pages(charge), run);
      await begun;
      const second = call({ key }, pages(charge), unreachable);
      await settled();
      end();
      expect(await first).toMatchObject({ refusal: { code: "budget_exceeded" } });
      expect(await second).toMatchObject({ refusal: { code: "budget_exceeded" } });
    });
  },
);

describe("a call that is cancelled as it runs", () => {
  it("leaves nothing to a repetition that waits for it", async () => {
    const { call, ledger } = createTestCharging();
    const cancelling = new AbortController();
    const { run, begun, end } = slow(() => cancelling.abort(error));
    const first = call({ key, signal: cancelling.signal }, pages("reserve"), run);
    await begun;
    const second = call({ key }, pages("reserve"), unreachable);
    await settled();
    end();
    await expect(first).rejects.toBe(error);
    // Its reservation was given back under this key.
    expect(await second).toMatchObject({ refusal: { code: "idempotency_replay" } });
    expect([ledger.usage, ledger.reserved()]).toEqual([[], 0]);
  });
});
