import { beforeEach, describe, expect, it } from "vitest";
import { buildPaywall, type Paywall } from "../src/create-paywall.ts";
import type { ChargeMode, PaywallEvents, PaywallOptions } from "../src/index.ts";
import { RefusedError } from "../src/index.ts";
import { buildCore } from "../src/paywall-core.ts";
import { refuse } from "../src/refusal/refusal.ts";
import { losing } from "../src/testing/losing-gateway.ts";
import { createTestLedger, type TestLedger } from "../src/testing.ts";

let ledger: TestLedger;
let paywall: Paywall;
let token: string;
let failed: PaywallEvents["failed"][];

function makePaywall(options: PaywallOptions = {}): Paywall {
  const made = buildPaywall(options, buildCore(options, ledger.gateway));
  made.on("failed", (event) => failed.push(event));
  return made;
}
beforeEach(() => {
  failed = [];
  ledger = createTestLedger();
  token = ledger.authorize("agt_1");
  paywall = makePaywall();
});

const billed = () => ledger.usage.map(({ quantity }) => quantity);
const MODES: readonly ChargeMode[] = ["call", "success", "reserve"];
const pages = (charge: ChargeMode) => ({ meterName: "pages", charge, quantity: 20 });

describe.each(MODES)("a call that is charged by %s", (charge) => {
  it("runs once for its agent, gives what it returned, and is billed once", async () => {
    let runs = 0;
    const report = await paywall.charge({ token, name: "report" }, pages(charge), async ({ caller }) => {
      runs++;
      return { for: caller.agentId };
    });
    expect(report).toEqual({ for: "agt_1" });
    expect([runs, billed(), ledger.reserved()]).toEqual([1, [20], 0]);
  });

  it("passes on what it throws, and bills that only where the call itself is charged", async () => {
    const error = new Error("no such city");
    const call = paywall.charge({ token, name: "report" }, pages(charge), () => {
      throw error;
    });
    await expect(call).rejects.toBe(error);
    expect([billed(), ledger.reserved()]).toEqual([charge === "call" ? [20] : [], 0]);
  });

  it("takes the refusal of another call, which its handler throws, for the handler's own error", async () => {
    const denied: PaywallEvents["denied"][] = [];
    paywall.on("denied", (event) => denied.push(event));
    const error = new RefusedError(refuse("billing_unavailable"));
    const call = paywall.charge({ token, name: "report" }, pages(charge), async () => {
      throw error;
    });
    await expect(call).rejects.toBe(error);
    expect(denied).toEqual([]);
    expect([billed(), ledger.reserved()]).toEqual([charge === "call" ? [20] : [], 0]);
  });

  it("is the owner's fault where a price function throws the refusal of another call", async () => {
    const quantity = () => {
      throw new RefusedError(refuse("budget_exceeded"));
    };
    const call = paywall.charge({ token, name: "report" }, { ...pages(charge), quantity }, () =>
      expect.unreachable(),
    );
    await expect(call).rejects.toMatchObject({ code: "misconfigured" });
    expect(billed()).toEqual([]);
  });

  it.each([
    ["without a token", undefined, "missing_token", 401],
    ["with something else for a token", "Bearer x", "invalid_token", 401],
    ["with a token that nobody has", "AGT-00000000-unknown", "invalid_token", 401],
  ])("does not run %s", async (_, sent, code, status) => {
    let runs = 0;
    const refused = await paywall
      .charge({ token: sent, name: "report" }, pages(charge), () => void runs++)
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RefusedError);
    expect(refused).toMatchObject({
      name: "RefusedError",
      code,
      status,
      headers: { "www-authenticate": expect.stringMatching(/^Bearer/) },
      message: expect.stringContaining("Nothing was run or charged."),
    });
    expect([runs, billed()]).toEqual([0, []]);
  });

  it("does not run where a scope is missing, or the budget is used up", async () => {
    const poor = ledger.authorize("agt_poor", { budgets: { pages: 10 } });
    const options = { ...pages(charge), enforceBudget: true };
    const unreachable = () => expect.unreachable();
    await expect(
      paywall.charge({ token, name: "report" }, { ...options, scopes: ["reports"] }, unreachable),
    ).rejects.toMatchObject({
      code: "insufficient_scope",
      status: 403,
      headers: { "www-authenticate": expect.stringContaining('scope="reports"') },
    });
    await expect(paywall.charge({ token: poor, name: "report" }, options, unreachable)).rejects.toMatchObject(
      { code: "budget_exceeded", status: 402, headers: {} },
    );
    expect(billed()).toEqual([]);
  });

  it("says how long to wait, and that an outage is no debt", async () => {
    const call = () => paywall.charge({ token, name: "report" }, pages(charge), () => expect.unreachable());
    ledger.refuseWith("rate_limited", { retryAfter: 7 });
    await expect(call()).rejects.toMatchObject({
      status: 429,
      retryAfter: 7,
      headers: { "retry-after": "7" },
    });
    ledger.refuseWith("billing_unavailable");
    await expect(call()).rejects.toMatchObject({
      status: 503,
      message: expect.stringContaining("not a debt"),
    });
  });

  it("costs nothing where it was cancelled before it began", async () => {
    const signal = AbortSignal.abort(new Error("gone"));
    const call = paywall.charge({ token, name: "report", signal }, pages(charge), () => expect.unreachable());
    await expect(call).rejects.toThrow("gone");
    expect([billed(), ledger.reserved()]).toEqual([[], 0]);
  });

  it("gives a repetition under its key the first one's value, also to those that come meanwhile", async () => {
    let runs = 0;
    const call = (args: object = { city: "Rome" }) =>
      paywall.charge({ token, name: "report", args, idempotencyKey: "k" }, pages(charge), async () => {
        runs++;
        await Promise.resolve();
        return `run ${runs}`;
      });
    expect(await Promise.all([call(), call()])).toEqual(["run 1", "run 1"]);
    expect(await call()).toBe("run 1");
    await expect(call({ city: "Oslo" })).rejects.toMatchObject({ code: "idempotency_conflict", status: 409 });
    expect([runs, billed()]).toEqual([1, [20]]);
  });

  it.each<[string, () => unknown, () => unknown]>([
    ["bytes", () => new Uint8Array([1]).buffer, () => new Uint8Array([2]).buffer],
    ["patterns", () => /a/, () => /b/],
    ["search parameters", () => new URLSearchParams("a=1"), () => new URLSearchParams("a=2")],
    ["headers", () => new Headers({ a: "1" }), () => new Headers({ a: "2" })],
    ["maps", () => new Map([[1, 2]]), () => ["Map", [1, 2]]],
  ])("tells a repetition from a call under its key with other %s", async (_, first, second) => {
    const call = (of: unknown) =>
      paywall.charge(
        { token, name: "report", args: { of }, idempotencyKey: "k" },
        pages(charge),
        () => "ran",
      );
    expect(await call(first())).toBe("ran");
    expect(await call(first())).toBe("ran");
    await expect(call(second())).rejects.toMatchObject({ code: "idempotency_conflict" });
    expect(billed()).toEqual([20]);
  });

  it("refuses a repetition with what cannot be told to be the same, in another process as well", async () => {
    const call = (of: unknown, by = paywall) =>
      by.charge({ token, name: "report", args: { of }, idempotencyKey: "k" }, pages(charge), () => "ran");
    const blob = new Blob(["a"]);
    expect(await call(blob)).toBe("ran");
    expect(await call(blob)).toBe("ran");
    await expect(call(new Blob(["a"]))).rejects.toMatchObject({ code: "idempotency_replay" });
    await expect(call(new Blob(["a"]), makePaywall())).rejects.toMatchObject({ code: "idempotency_replay" });
    expect([billed(), ledger.reserved()]).toEqual([[20], 0]);
  });

  it("gives no value twice that is used up by whoever gets it first", async () => {
    const call = <Value>(value: () => Value, idempotencyKey: string) =>
      paywall.charge({ token, name: "report", idempotencyKey }, pages(charge), value);
    const values: readonly (() => unknown)[] = [
      () => new Response("x"),
      () => new ReadableStream(),
      async function* () {
        yield 1;
      },
      () => [1].values(),
    ];
    for (const [index, value] of values.entries()) {
      expect(await call(value, `k${index}`)).toBeTypeOf("object");
      await expect(call(value, `k${index}`)).rejects.toMatchObject({
        code: "idempotency_replay",
        message: expect.stringContaining("cannot be given twice"),
      });
    }
    expect(billed()).toEqual(values.map(() => 20));
  });

  it("runs under the same key after it was refused", async () => {
    const call = () =>
      paywall.charge({ token, name: "report", idempotencyKey: "k" }, pages(charge), () => "ran");
    ledger.refuseWith("budget_exceeded");
    await expect(call()).rejects.toMatchObject({ code: "budget_exceeded" });
    ledger.refuseWith(undefined);
    expect(await call()).toBe("ran");
    expect(await call()).toBe("ran");
    expect(billed()).toEqual([20]);
  });

  it("refuses a key that is none, and begins nothing after it was closed", async () => {
    const call = (idempotencyKey?: string) =>
      paywall.charge({ token, name: "report", idempotencyKey }, pages(charge), () => "ran");
    await expect(call("")).rejects.toMatchObject({ code: "idempotency_conflict" });
    await expect(call("é")).rejects.toMatchObject({ code: "idempotency_conflict" });
    await paywall.close();
    await expect(call()).rejects.toMatchObject({ code: "billing_unavailable" });
    expect(billed()).toEqual([]);
  });
});

describe.each(["success", "reserve"] as const)("usage that a run reports, charged by %s", (charge) => {
  it("adds up and takes the place of the quantity", async () => {
    await paywall.charge({ token, name: "report" }, pages(charge), (call) => {
      for (const quantity of [1, 0, 2]) call.reportUsage(quantity);
    });
    expect([billed(), ledger.reserved()]).toEqual([[3], 0]);
  });

  it("goes before what is read from the result, and 0 bills nothing", async () => {
    await paywall.charge({ token, name: "report" }, { ...pages(charge), resultQuantity: () => 5 }, (call) =>
      call.reportUsage(0),
    );
    expect([billed(), ledger.reserved()]).toEqual([[], 0]);
  });

  it("is billed where the run fails, and its repetition fails alike without a further bill", async () => {
    let runs = 0;
    const call = () =>
      paywall.charge({ token, name: "report", idempotencyKey: "k" }, pages(charge), (running) => {
        running.reportUsage(7);
        throw new Error(`run ${++runs}`);
      });
    await expect(call()).rejects.toThrow("run 1");
    await expect(call()).rejects.toThrow("run 1");
    expect([billed(), ledger.reserved()]).toEqual([[7], 0]);
  });

  it("is billed where the call is cancelled as it runs", async () => {
    const aborting = new AbortController();
    const call = paywall.charge(
      { token, name: "chapters", signal: aborting.signal },
      pages(charge),
      (running) => {
        running.reportUsage(10);
        aborting.abort(new Error("gone"));
        throw aborting.signal.reason;
      },
    );
    await expect(call).rejects.toThrow("gone");
    expect([billed(), ledger.reserved()]).toEqual([[10], 0]);
  });

  it("is billed where it is more than the quantity", async () => {
    const poor = ledger.authorize("agt_poor", { budgets: { pages: 20 } });
    const result = await paywall.charge(
      { token: poor, name: "report", idempotencyKey: "k" },
      { ...pages(charge), enforceBudget: charge === "reserve" },
      (call) => {
        call.reportUsage(25);
        return "long";
      },
    );
    expect(result).toBe("long");
    expect(billed().reduce((sum, quantity) => sum + quantity, 0)).toBe(25);
    expect(failed).toEqual(
      charge === "success"
        ? []
        : [
            expect.objectContaining({
              reason: expect.stringContaining("more were reported than reserved"),
              quantity: 5,
            }),
          ],
    );
  });

  it("is refused where it is no whole number, and once the call has ended", async () => {
    let report: (quantity: number) => void = () => expect.unreachable();
    await paywall.charge({ token, name: "report" }, pages(charge), (call) => {
      report = call.reportUsage;
      for (const quantity of [-1, 0.5, Number.NaN, 1e10]) {
        expect(() => call.reportUsage(quantity)).toThrow("whole number");
      }
    });
    expect(() => report(1)).toThrow("has ended");
    expect(billed()).toEqual([20]);
  });
});

it.each([
  ["is billed when it is made", pages("call")],
  ["costs nothing", {}],
])("refuses a report of usage in a call that %s", async (_, options) => {
  const call = paywall.charge({ token, name: "report" }, options, (running) => running.reportUsage(1));
  await expect(call).rejects.toThrow("not billed by its use");
});

it.each([
  [{ name: "" }, {}, "needs a name"],
  [{ name: "report" }, { meterName: "No Meter" }, "No Meter"],
  [{ name: "report" }, { quantity: 2 }, "needs a meterName"],
])("says what is wrong with the call %j with the options %j", async (call, options, words) => {
  await expect(paywall.charge({ token, ...call }, options, () => "ran")).rejects.toThrow(words);
  expect(ledger.requests).toEqual([]);
});

it.each([pages("call"), pages("success"), pages("reserve")])(
  "serves a call out of a budget that was used up by a bill whose answer was lost: %j",
  async (options) => {
    const gateway = losing(ledger.gateway);
    const losingPaywall = buildPaywall({}, buildCore({}, gateway));
    const poor = ledger.authorize("agt_poor", { budgets: { pages: 20 } });
    const call = () =>
      losingPaywall.charge({ token: poor, name: "report" }, { ...options, enforceBudget: true }, () => "ran");
    gateway.fates = options.charge === "call" ? ["answer"] : ["fine", "answer"];
    await expect(call()).rejects.toMatchObject({ code: "billing_unavailable" });
    expect(await call()).toBe("ran");
    await expect(call()).rejects.toMatchObject({ code: "budget_exceeded" });
    expect(billed()).toEqual([20]);
  },
);

describe("usage that is recorded by itself, as its reservation was gone, and whose answer is lost", () => {
  it("serves a call out of a budget that it used up", async () => {
    const gateway = losing(ledger.gateway);
    const losingPaywall = buildPaywall({}, buildCore({}, gateway));
    const poor = ledger.authorize("agt_poor", { budgets: { pages: 20 } });
    const options = { ...pages("reserve"), enforceBudget: true };
    const call = () =>
      losingPaywall.charge({ token: poor, name: "report" }, options, () => {
        ledger.lapse();
        return "ran";
      });
    gateway.fates = ["fine", "fine", "answer"];
    await expect(call()).rejects.toMatchObject({ code: "billing_unavailable" });
    expect(await call()).toBe("ran");
    await expect(call()).rejects.toMatchObject({ code: "budget_exceeded" });
    expect(billed()).toEqual([20]);
  });
});

it("finds out in few requests what is recorded, however many quantities a key was sent with", async () => {
  const gateway = losing(ledger.gateway);
  const losingPaywall = buildPaywall({}, buildCore({}, gateway));
  const call = (used: number) =>
    losingPaywall.charge({ token, name: "report" }, { meterName: "pages", charge: "success" }, (running) => {
      running.reportUsage(used);
      return used;
    });
  for (let used = 1; used <= 100; used++) {
    gateway.fates = ["fine", used === 50 ? "answer" : "request"];
    await expect(call(used)).rejects.toMatchObject({ code: "billing_unavailable" });
  }
  const before = ledger.requests.length;
  expect(await call(70)).toBe(70);
  expect(ledger.requests.length - before).toBeLessThan(25);
  expect(billed().reduce((sum, quantity) => sum + quantity, 0)).toBe(70);
});

describe("usage beyond what was held, whose bill is lost on its way", () => {
  it.each([
    ["the request", "k", false],
    ["the answer", "k", true],
    ["the request, without a key", undefined, false],
    ["the answer, without a key", undefined, true],
  ])(
    "is billed once by the next call, and so is what was held: %s",
    async (_, idempotencyKey, isRecorded) => {
      const { gateway } = ledger;
      const verify = gateway.verify.bind(gateway);
      const call = () =>
        paywall.charge(
          { token, name: "report", idempotencyKey },
          { ...pages("reserve"), quantity: 1 },
          (running) => {
            running.reportUsage(3);
            return "ran";
          },
        );
      gateway.verify = async (by, request, options) => {
        if (request.meterName === undefined) return verify(by, request, options);
        gateway.verify = verify;
        if (isRecorded) await verify(by, request, options);
        return { refusal: refuse("billing_unavailable"), unknown: true, cause: new Error("lost") };
      };
      await expect(call()).rejects.toMatchObject({ code: "billing_unavailable" });
      expect(await call()).toBe("ran");
      expect([billed(), ledger.reserved()]).toEqual([[1, 2], 0]);
    },
  );
});
