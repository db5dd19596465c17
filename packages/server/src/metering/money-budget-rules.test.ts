import { describe, expect, it } from "vitest";
import type { MeterUse } from "./budget-costs.ts";
import {
  adding,
  afterRecording,
  budgetState,
  budgetStatus,
  callLimitOf,
  isOver,
  isTooLarge,
  type MoneyBudget,
  needsPeriod,
  recordedStatus,
  refusing,
  takes,
  thresholdsToTell,
  tightest,
  toBudget,
  type UnitBudget,
  usedOf,
} from "./budget-rules.ts";

const pages = (change: Partial<MeterUse> = {}): MeterUse => ({
  meterName: "pages",
  maxQuantityPerCall: 1_000,
  periodId: "november",
  isRunning: true,
  price: { model: "per_unit", unitPrice: "0.015" },
  before: 0n,
  recorded: 0n,
  held: 0n,
  days: null,
  today: "2026-11-14",
  ...change,
});

const base = {
  id: "b1",
  environmentId: "e1",
  agentId: "a1",
  customerId: null,
  warnAtPercent: 80,
  enforced: true,
  windowKey: "november",
  resetsAt: new Date("2026-12-01T00:00:00Z"),
  warnedWindow: null,
  exceededWindow: null,
  createdAt: new Date(0),
  updatedAt: new Date(1_000),
} as const;

/** A budget of 1.50 EUR a month: a hundred pages. */
const money = (change: Partial<MoneyBudget> = {}): MoneyBudget => ({
  ...base,
  kind: "money",
  meterName: null,
  window: "period",
  limit: "1.50",
  currency: "eur",
  meters: [pages()],
  ...change,
});

const units = (change: Partial<UnitBudget> = {}): UnitBudget => ({
  ...base,
  kind: "units",
  meterName: "pages",
  window: "period",
  limit: 100,
  maxQuantityPerCall: 1_000,
  recorded: 0,
  held: 0,
  ...change,
});

const used = (recorded: bigint, held = 0n) => money({ meters: [pages({ recorded, held })] });
const use = (quantity: number, isHeld = false) => ({ meterName: "pages", quantity, isHeld });

describe("a budget in money", () => {
  it.each([
    [79n, 0n, "ok", "ok"],
    [80n, 0n, "warning", "warning"],
    [79n, 1n, "warning", "ok"],
    [99n, 0n, "warning", "warning"],
    [80n, 20n, "exceeded", "warning"],
    [100n, 0n, "exceeded", "exceeded"],
  ])("is with %d pages recorded and %d held %s, and %s by what is recorded", (recorded, held, all, told) => {
    expect(budgetStatus(used(recorded, held))).toBe(all);
    expect(recordedStatus(used(recorded, held))).toBe(told);
  });

  it("tells amounts exactly, and in minor units never more than there is left", () => {
    expect(budgetState(used(41n, 2n), "pages")).toEqual({
      meterName: "pages",
      limit: 150,
      used: 65,
      remaining: 85,
      amounts: { currency: "eur", limit: "1.50", used: "0.645", remaining: "0.855" },
      status: "ok",
      resetsAt: "2026-12-01T00:00:00.000Z",
    });
    const over = budgetState(used(200n), "pages");
    expect(over).toMatchObject({ used: 300, remaining: 0, amounts: { used: "3", remaining: "0" } });
    const yen = money({ limit: "9007199254740993", currency: "jpy", meters: [] });
    expect(budgetState(yen, "pages")).toMatchObject({ limit: Number.MAX_SAFE_INTEGER, used: 0 });
  });

  it("is never told as less than nothing where a correction takes off more than was used", () => {
    const corrected = money({ meters: [pages({ before: 50n, recorded: -20n })] });
    expect(budgetState(corrected, "pages")).toMatchObject({ used: 0, amounts: { used: "0" } });
  });

  it("of all meters is told by the call's meter, and one of a customer as shared", () => {
    expect(budgetState(money({ meterName: "words" }), "pages").meterName).toBe("words");
    expect(budgetState(money(), "pages")).not.toHaveProperty("shared");
    expect(budgetState(money({ agentId: null, customerId: "c1" }), "pages")).toMatchObject({ shared: true });
  });

  it("is answered whole, with a null meter where it is for all", () => {
    expect(toBudget(used(100n))).toEqual({
      id: "b1",
      agentId: "a1",
      customerId: null,
      meterName: null,
      limit: 150,
      used: 150,
      remaining: 0,
      amounts: { currency: "eur", limit: "1.50", used: "1.5", remaining: "0" },
      status: "exceeded",
      resetsAt: "2026-12-01T00:00:00.000Z",
      window: "period",
      enforced: true,
      warnAtPercent: 80,
      createdAt: "1970-01-01T00:00:00.000Z",
      updatedAt: "1970-01-01T00:00:01.000Z",
    });
  });

  it("needs a period where none has begun, or none of its meters has one that runs", () => {
    expect(needsPeriod(money())).toBe(false);
    expect(needsPeriod(money({ windowKey: null }))).toBe(true);
    expect(needsPeriod(money({ meters: [pages({ isRunning: false })] }))).toBe(true);
    expect(needsPeriod(units())).toBe(false);
  });

  it("refuses what does not fit, to the unit, and nothing that is free", () => {
    const half = used(50n);
    expect(refusing([half], use(50))).toEqual([]);
    expect(refusing([half], use(51))).toEqual([half]);
    expect(refusing([half], use(51, true))).toEqual([half]);
    const free = money({ meters: [pages({ recorded: 200n }), pages({ meterName: "free", price: null })] });
    expect(isOver(free)).toBe(true);
    expect(refusing([free], { meterName: "free", quantity: 1_000 })).toEqual([]);
  });

  it("is taken by the price of the tier that usage falls in", () => {
    const tiers = [
      { upTo: 10, unitPrice: "0.10" },
      { upTo: null, unitPrice: "0.01" },
    ];
    const graduated = money({ meters: [pages({ price: { model: "graduated", tiers }, before: 8n })] });
    expect(takes(graduated, use(4)).toFixed()).toBe("0.22");
    expect(takes(adding(graduated, use(2)), use(4)).toFixed()).toBe("0.04");
    expect(takes(graduated, { meterName: "words", quantity: 4 }).toFixed()).toBe("0");
  });

  describe("with units that are free each day", () => {
    const today = "2026-11-14";
    const allowance = { quantity: 10, every: "day" as const };
    const free = (change: Partial<MeterUse>, budget: Partial<MoneyBudget> = {}) =>
      money({
        meters: [pages({ price: { model: "per_unit", unitPrice: "0.015", allowance }, ...change })],
        ...budget,
      });

    it("is taken by the units of a day that are more", () => {
      const budget = free({ recorded: 20n, days: { "2026-11-13": 12n, [today]: 8n } });
      expect(usedOf(budget).toFixed()).toBe("0.03");
      expect(takes(budget, use(2)).toFixed()).toBe("0");
      expect(takes(budget, use(3)).toFixed()).toBe("0.015");
      expect(takes(adding(budget, use(2)), use(1)).toFixed()).toBe("0.015");
      expect(takes(budget, { ...use(3), isHeld: true }).toFixed()).toBe("0.015");
      expect(takes(free({ days: {} }), use(11)).toFixed()).toBe("0.015");
    });

    it("is used up by what is recorded, and by what is held only while it is", () => {
      const budget = free({ recorded: 8n, days: { [today]: 8n } });
      const holding = adding(budget, { ...use(4), isHeld: true });
      expect(holding).toMatchObject({ meters: [{ recorded: 8n, held: 4n, days: { [today]: 8n } }] });
      expect(adding(budget, use(4))).toMatchObject({
        meters: [{ recorded: 12n, held: 0n, days: { [today]: 12n } }],
      });
      expect(usedOf(holding).toFixed()).toBe("0.03");
      expect(takes(holding, use(1)).toFixed()).toBe("0.015");
    });

    it("is taken on a day by what that day costs", () => {
      const change = { before: 12n, recorded: 11n, days: { "2026-11-13": 12n, [today]: 11n } };
      expect(usedOf(free(change, { window: "day", windowKey: today })).toFixed()).toBe("0.015");
    });

    it("counts usage of another day on that day", () => {
      const budget = free({ recorded: 10n, days: { [today]: 10n } });
      const usage = { ...use(10), periodId: "november", day: "2026-11-12" };
      expect(usedOf(afterRecording(budget, usage)).toFixed()).toBe("0");
      expect(usedOf(afterRecording(afterRecording(budget, usage), usage)).toFixed()).toBe("0.15");
    });

    it("is taken by the most that a hold may cost in tiers by volume, behind what is free", () => {
      const tiers = [
        { upTo: 5, unitPrice: "0.10" },
        { upTo: null, unitPrice: "0.01" },
      ];
      const price = { model: "volume" as const, tiers, allowance };
      const hold = (held: bigint, recorded: bigint) =>
        usedOf(free({ price, held, recorded, days: { [today]: recorded } })).toFixed();
      expect(hold(2n, 8n)).toBe("0");
      expect(hold(7n, 8n)).toBe("0.5");
      expect(hold(20n, 8n)).toBe("0.5");
      expect(hold(20n, 17n)).toBe("0.27");
    });
  });

  it("is too small for usage that costs more than the whole of it", () => {
    expect(isTooLarge(used(99n), use(100))).toBe(false);
    expect(isTooLarge(used(0n), use(101))).toBe(true);
  });

  it("has the limit of a call of the meter that is called", () => {
    expect(callLimitOf(money(), "pages")).toBe(1_000);
    expect(callLimitOf(money(), "words")).toBeNull();
    expect(callLimitOf(units({ maxQuantityPerCall: 7 }), "words")).toBe(7);
  });

  it("counts recorded usage in its window, and other usage of the period before it", () => {
    const daily = money({ window: "day", windowKey: "2026-11-23" });
    const usage = { ...use(3), periodId: "november", day: "2026-11-23" };
    const meterOf = (budget: ReturnType<typeof afterRecording>) => (budget as MoneyBudget).meters[0];
    expect(meterOf(afterRecording(daily, usage))).toMatchObject({ recorded: 3n, before: 0n });
    expect(meterOf(afterRecording(daily, { ...usage, day: "2026-11-22" }))).toMatchObject({
      recorded: 0n,
      before: 3n,
    });
    expect(afterRecording(daily, { ...usage, periodId: "october" })).toBe(daily);
    expect(afterRecording(daily, { ...usage, meterName: "words" })).toBe(daily);
    const two = money({ meters: [pages(), pages({ meterName: "words" })] });
    expect((afterRecording(two, usage) as MoneyBudget).meters).toEqual([
      pages({ recorded: 3n }),
      pages({ meterName: "words" }),
    ]);
  });

  it("tells of its thresholds by what is recorded, once in a window that has begun", () => {
    expect(thresholdsToTell(used(79n, 21n))).toEqual([]);
    expect(thresholdsToTell(used(80n))).toEqual(["warning"]);
    expect(thresholdsToTell({ ...used(100n), warnedWindow: "november" })).toEqual(["exceeded"]);
    expect(thresholdsToTell({ ...used(100n), windowKey: null })).toEqual([]);
  });
});

describe("of a budget in units and one in money", () => {
  it("the tightest is the one of which the smaller share is left", () => {
    const halfOfUnits = units({ id: "units", recorded: 50 });
    const fewerMoney = money({ id: "money", meters: [pages({ recorded: 51n })] });
    const moreMoney = money({ id: "money", meters: [pages({ recorded: 49n })] });
    expect(tightest([halfOfUnits, fewerMoney])?.id).toBe("money");
    expect(tightest([fewerMoney, halfOfUnits])?.id).toBe("money");
    expect(tightest([halfOfUnits, moreMoney])?.id).toBe("units");
    expect(tightest([halfOfUnits, used(50n)])?.id).toBe("units");
    expect(tightest([moreMoney])?.id).toBe("money");
    expect(tightest([moreMoney, { ...fewerMoney, id: "least" }])?.id).toBe("least");
  });
});
