import { describe, expect, it } from "vitest";
import { createTestCharging } from "../testing/test-charging.ts";

const MODES = [
  { meterName: "pages", charge: "success", quantity: 20 },
  { meterName: "pages", charge: "success", quantity: 20, enforceBudget: true },
  { meterName: "pages", charge: "reserve", quantity: 20 },
] as const;

describe.each(MODES)("what is due for a call by its use: %j", (options) => {
  const subject = { kind: "call", name: "report", agentId: "agt_1", meterName: "pages" };
  const isHeld = options.charge === "reserve" || "enforceBudget" in options;

  it("is its price where nothing else is said", async () => {
    const { call, billed, told } = createTestCharging();
    await call({}, options);
    expect([billed(), told("failed")]).toEqual([[20], []]);
  });

  it.each([0, 1, 19, 20])("is read from its result: %i", async (used) => {
    const { call, billed, told } = createTestCharging();
    const args = { city: "Rome" };
    const resultQuantity = (...given: readonly unknown[]) => {
      expect(given).toEqual([{ used }, args, expect.objectContaining({ agentId: "agt_1" })]);
      return used;
    };
    await call({ args }, { ...options, resultQuantity }, () => ({ used }));
    expect([billed(), told("failed")]).toEqual([used === 0 ? [] : [used], []]);
  });

  it("is no more than was reserved where its result says more, and its owner is told", async () => {
    const { call, billed, told } = createTestCharging();
    await call({}, { ...options, resultQuantity: () => 21 });
    const reason = "21 units were used and 20 reserved: the rest is not billed";
    expect(billed()).toEqual([isHeld ? 20 : 21]);
    expect(told("failed")).toEqual(isHeld ? [{ ...subject, quantity: 21, reason, error: undefined }] : []);
  });

  it.each<[string, () => number]>([
    [
      "resultQuantity threw",
      () => {
        throw new Error("no pages");
      },
    ],
    ["resultQuantity returned 0.5, not a whole number", () => 0.5],
  ])(
    "is its price where its result does not say it, and its owner is told: %s",
    async (words, resultQuantity) => {
      const { call, billed, told } = createTestCharging();
      await call({}, { ...options, resultQuantity });
      expect(billed()).toEqual([20]);
      expect(told("failed")).toEqual([
        {
          ...subject,
          quantity: 20,
          reason: expect.stringMatching(new RegExp(`^${words}.*; 20 units were billed instead$`)),
          error: expect.any(Error),
        },
      ]);
    },
  );

  it("is what was reported, whatever its result says and however it ends", async () => {
    const { call, billed } = createTestCharging();
    const failed = new Error("failed");
    await call({}, { ...options, resultQuantity: () => 9 }, ({ reportUsage }) => reportUsage(3));
    const failing = call({}, options, ({ reportUsage }) => {
      reportUsage(4);
      throw failed;
    });
    await expect(failing).rejects.toBe(failed);
    expect(billed()).toEqual([3, 4]);
  });

  it("covers the calls of its handler, unless its result tells the price", async () => {
    const { call } = createTestCharging();
    await call({}, options, ({ coversCalls, isBilled }) =>
      expect([coversCalls, isBilled]).toEqual([true, true]),
    );
    await call({}, { ...options, resultQuantity: () => 1 }, ({ coversCalls, isBilled }) =>
      expect([coversCalls, isBilled]).toEqual([false, true]),
    );
  });
});
