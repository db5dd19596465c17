import { describe, expect, it } from "vitest";
import { askInput, createTestCharging } from "../testing/test-charging.ts";

const pages = { meterName: "pages", charge: "success", quantity: 20 } as const;

describe("a call that is billed by its success", () => {
  it.each([{}, { background: true }])("is billed after it has run: %j", async (options) => {
    const { call, billed, journalled, ledger, told } = createTestCharging(options);
    const result = await call({}, pages, () => [...billed(), ...journalled].length);
    expect(result).toMatchObject({ result: 0, receipt: { meterName: "pages", quantity: 20 } });
    const isBackground = "background" in options;
    expect([billed(), journalled.length]).toEqual(isBackground ? [[], 1] : [[20], 0]);
    expect(ledger.requests).toEqual(isBackground ? ["verify"] : ["verify", "verify"]);
    expect(told("metered")).toMatchObject([{ agentId: "agt_1", quantity: 20, pending: isBackground }]);
  });

  it("is billed by a request where its agent names it", async () => {
    const { call, billed, journalled } = createTestCharging({ background: true });
    await call({ key: "k" }, pages);
    expect([billed(), journalled]).toEqual([[20], []]);
  });

  it("is not billed where it fails, asks for input, or has used nothing", async () => {
    const { charge, call, billed, ledger } = createTestCharging();
    await expect(call({}, pages, () => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
    expect(await charge({}, pages, () => askInput)).toMatchObject({ settlement: { status: "void" } });
    const unused = await charge({}, { ...pages, resultQuantity: () => 0 }, () => "done");
    expect(unused).toMatchObject({ status: "ran", settlement: { status: "settled" } });
    expect(await call({}, pages, ({ reportUsage }) => reportUsage(0))).toEqual({
      result: undefined,
      receipt: undefined,
    });
    expect([billed(), ledger.requests]).toEqual([[], ["verify", "verify", "verify", "verify"]]);
  });

  it("does not run where it is cancelled while it is verified", async () => {
    const cancelling = new AbortController();
    const { call, billed } = createTestCharging({
      through: (gateway) => ({
        ...gateway,
        verify: async (...asked) => {
          const response = await gateway.verify(...asked);
          cancelling.abort(new Error("gone"));
          return response;
        },
      }),
    });
    await expect(call({ signal: cancelling.signal }, pages, () => expect.unreachable())).rejects.toThrow(
      "gone",
    );
    expect(billed()).toEqual([]);
  });

  it("is billed and delivered where it is cancelled as it runs", async () => {
    const { call, billed } = createTestCharging();
    const cancelling = new AbortController();
    expect(await call({ signal: cancelling.signal }, pages, () => cancelling.abort())).toMatchObject({
      receipt: { quantity: 20 },
    });
    expect(billed()).toEqual([20]);
  });
});

describe("a call that has run when the API is gone", () => {
  it.each([
    [{}, {}, pages, "withheld"],
    [{ allowOffline: true }, {}, pages, "journalled"],
    [{ allowOffline: true }, { key: "k" }, pages, "withheld"],
  ])("%j, %j: %j is %s", async (options, named, charge, expected) => {
    const { call, journalled, ledger } = createTestCharging(options);
    const result = await call(named, charge, () => {
      ledger.refuseWith("billing_unavailable");
      return "done";
    });
    if (expected === "withheld") expect(result).toMatchObject({ refusal: { code: "billing_unavailable" } });
    else expect(result).toMatchObject({ result: "done", receipt: { quantity: 20 } });
    expect(journalled.map(({ quantity }) => quantity)).toEqual(expected === "withheld" ? [] : [20]);
  });

  it("is withheld where its agent has no more budget", async () => {
    const { call, ledger, journalled } = createTestCharging({ allowOffline: true });
    const result = await call({}, pages, () => ledger.refuseWith("budget_exceeded"));
    expect(result).toMatchObject({ refusal: { code: "budget_exceeded" } });
    expect(journalled).toEqual([]);
  });
});
