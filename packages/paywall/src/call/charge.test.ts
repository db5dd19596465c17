import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { refuse } from "../refusal/refusal.ts";
import { createTestCharging } from "../testing/test-charging.ts";
import { chargeResultOf, completionOf, type RunningCall, receiptOf, receiptOfCharged } from "./charge.ts";

const MODES = ["call", "success", "reserve"] as const;
const pages = (charge: (typeof MODES)[number]) => ({ meterName: "pages", charge, quantity: 20 });
const error = new Error("no such city");

describe.each(MODES)("a call that is charged by %s", (charge) => {
  it("is authorized, run and settled, each once", async () => {
    const { charge: chargeFor, ledger, token, billed } = createTestCharging();
    const calls: RunningCall[] = [];
    const charged = await chargeFor({ token }, pages(charge), (running) => {
      calls.push(running);
      return "done";
    });
    const events = ledger.usage.map(({ idempotencyKey, quantity }) => ({ idempotencyKey, quantity }));
    const receipt = { meterName: "pages", quantity: 20, events };
    expect(charged).toEqual({
      status: "ran",
      completion: { status: "returned", result: "done" },
      settlement: { status: "settled", receipt },
    });
    expect(calls).toMatchObject([
      { caller: { accountId: "acc_test", agentId: "agt_1" }, isBilled: true, coversCalls: true },
    ]);
    expect([billed(), ledger.reserved()]).toEqual([[20], 0]);
    expect(chargeResultOf(charged)).toEqual({ result: "done", receipt });
    expect(receiptOfCharged(charged)).toEqual(receipt);
  });

  it("does not run where it is refused", async () => {
    const { charge: chargeFor, ledger, billed } = createTestCharging();
    ledger.refuseWith("rate_limited", { retryAfter: 7 });
    const charged = await chargeFor({}, pages(charge), () => expect.unreachable());
    const chargeResult = { refusal: expect.objectContaining({ code: "rate_limited", retryAfter: 7 }) };
    expect(charged).toEqual({ status: "given", chargeResult });
    expect(chargeResultOf(charged)).toEqual(chargeResult);
    expect(receiptOfCharged(charged)).toBeUndefined();
    expect(billed()).toEqual([]);
  });

  it("passes on what its run throws", async () => {
    const { charge: chargeFor } = createTestCharging();
    const charged = await chargeFor({}, pages(charge), () => {
      throw error;
    });
    expect(charged).toMatchObject({ completion: { status: "threw", error } });
    expect(() => chargeResultOf(charged)).toThrow(error);
    expect(receiptOfCharged(charged) === undefined).toBe(charge !== "call");
  });

  it("is in flight until it is settled", async () => {
    const { call, inFlight, billed } = createTestCharging();
    let ending: Promise<readonly number[]> | undefined;
    await call({}, pages(charge), () => {
      ending = inFlight.end(1_000_000).then(billed);
    });
    expect(await ending).toEqual([20]);
  });

  it("is traced by a span for each part, without a token, an argument or a result", async () => {
    const { call, ledger, spans, token } = createTestCharging();
    await call({ token, args: { city: "Rome" } }, pages(charge));
    await call({ token }, pages(charge), () => Promise.reject(error)).catch(() => undefined);
    ledger.refuseWith("rate_limited");
    await call({ token }, pages(charge));
    const subject = { "mcp.kind": "call", "mcp.name": "report" };
    const begun = { ...subject, "licentric.charge": charge };
    const authorized = { ...begun, "licentric.account_id": "acc_test", "licentric.agent_id": "agt_1" };
    expect(spans).toEqual([
      { name: "licentric.authorize", attributes: authorized },
      { name: "licentric.settle", attributes: { ...subject, "licentric.outcome": "done" } },
      { name: "licentric.authorize", attributes: authorized },
      { name: "licentric.settle", attributes: { ...subject, "licentric.outcome": "failed" } },
      { name: "licentric.authorize", attributes: { ...begun, "licentric.refusal": "rate_limited" } },
    ]);
  });
});

describe("a call whose bill is refused once it has run", () => {
  it.each(["success", "reserve"] as const)("has its result withheld, charged by %s", async (charge) => {
    const { charge: chargeFor, ledger, spans } = createTestCharging();
    const charged = await chargeFor({}, pages(charge), () => {
      ledger.refuseWith("billing_unavailable");
      return "done";
    });
    const refusal = expect.objectContaining({
      code: "billing_unavailable",
      message: expect.stringContaining("result is withheld"),
    });
    expect(chargeResultOf(charged)).toEqual({ refusal });
    expect(receiptOfCharged(charged)).toBeUndefined();
    expect(spans.at(-1)?.attributes).toMatchObject({ "licentric.refusal": "billing_unavailable" });
  });

  it("fails as it did where it threw", async () => {
    const { call, ledger } = createTestCharging();
    const failed = call({}, pages("success"), (running) => {
      running.reportUsage(1);
      ledger.refuseWith("billing_unavailable");
      throw error;
    });
    await expect(failed).rejects.toBe(error);
  });
});

describe("what a call brings", () => {
  const completion = { status: "returned", result: "done" } as const;
  it("is the signal's reason where it was cancelled and not billed", () => {
    const settlement = { status: "cancelled", reason: error } as const;
    expect(() => chargeResultOf({ status: "ran", completion, settlement })).toThrow(error);
    expect(receiptOf(settlement)).toBeUndefined();
  });

  it("is its result without a receipt where nothing was due", () => {
    const settlement = { status: "void" } as const;
    expect(chargeResultOf({ status: "ran", completion, settlement })).toEqual({ result: "done" });
    expect(receiptOf(undefined)).toBeUndefined();
  });

  it("is of a repetition the first call's, and so is its receipt", () => {
    const receipt = { meterName: "pages", quantity: 1, events: [] };
    const charged = { status: "given", chargeResult: { result: "done", receipt } } as const;
    expect(chargeResultOf(charged)).toBe(charged.chargeResult);
    expect(receiptOfCharged(charged)).toBe(receipt);
    const refusal = refuse("rate_limited");
    expect(receiptOfCharged({ status: "given", chargeResult: { refusal } })).toBeUndefined();
  });

  it("is what a function returns, at once or later, or what it throws", async () => {
    expect(await completionOf(() => "done")).toEqual(completion);
    expect(await completionOf(async () => "done")).toEqual(completion);
    expect(await completionOf(() => Promise.reject(error))).toEqual({ status: "threw", error });
  });
});

describe.each(["success", "reserve"] as const)("usage that a run reports, charged by %s", (charge) => {
  it.each([
    [[1, 0, 2], [3]],
    [[0], []],
    [[], [20]],
  ])("%j is billed as %j", async (reports, expected) => {
    const { call, billed } = createTestCharging();
    await call({}, pages(charge), ({ reportUsage }) => {
      for (const quantity of reports) reportUsage(quantity);
    });
    expect(billed()).toEqual(expected);
  });

  it("is refused where it is no whole number or too much, and what was reported before is billed", async () => {
    const { call, billed } = createTestCharging();
    await call({}, pages(charge), ({ reportUsage }) => {
      reportUsage(3);
      for (const quantity of [-1, 0.5, Number.NaN, 1_000_000_001, 1_000_000_000])
        expect(() => reportUsage(quantity)).toThrow(
          new TypeError(
            `reportUsage: a quantity is a whole number from 0, in all at most 1000000000, not ${quantity}`,
          ),
        );
      // An addend may not be negative, whatever the sum is.
      expect(() => reportUsage(-2)).toThrow("whole number");
    });
    expect(billed()).toEqual([3]);
  });

  it("is refused once the call has ended", async () => {
    const { call, billed } = createTestCharging();
    let late: RunningCall | undefined;
    await call({}, pages(charge), (running) => {
      late = running;
    });
    expect(() => late?.reportUsage(1)).toThrow(
      new TypeError("reportUsage: this call has ended and is billed already"),
    );
    expect(billed()).toEqual([20]);
  });
});

it.each([pages("call"), {}])("usage may not be reported where the price is fixed: %j", async (options) => {
  const { call } = createTestCharging();
  await expect(call({}, options, ({ reportUsage }) => reportUsage(1))).rejects.toThrow(
    new TypeError(
      'reportUsage: this call is not billed by its use; give it a meterName and charge: "success" or "reserve"',
    ),
  );
});

describe("the result that a repetition is given", () => {
  const key = "k";
  it.each<[string, () => unknown]>([
    ["a string", () => "done"],
    ["nothing", () => undefined],
    ["an object", () => ({ pipe: "copper", next: 1 })],
    ["a list", () => [1, 2]],
  ])("is the first one where it is %s", async (_, value) => {
    const { call } = createTestCharging();
    const first = await call({ key }, pages("success"), value);
    expect(await call({ key }, pages("success"), () => expect.unreachable())).toEqual(first);
  });

  it.each<[string, () => unknown]>([
    ["a response", () => new Response("x")],
    ["a stream", () => new ReadableStream()],
    ["a stream of Node", () => Readable.from(["x"])],
    ["what pipes", () => ({ pipe: () => undefined })],
    ["an iterator", () => [1].values()],
    ["what is iterated later", () => ({ [Symbol.asyncIterator]: () => undefined })],
  ])("is refused where it is used up by its first reader: %s", async (_, value) => {
    const { call, billed } = createTestCharging();
    await call({ key }, pages("success"), value);
    expect(await call({ key }, pages("success"), () => expect.unreachable())).toMatchObject({
      refusal: {
        code: "idempotency_replay",
        message: expect.stringMatching(/cannot be given twice.* Nothing was run or charged/),
      },
    });
    expect(billed()).toEqual([20]);
  });
});
