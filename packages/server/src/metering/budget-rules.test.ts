import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  afterRecording,
  budgetState,
  budgetStatus,
  longestRefusing,
  refusing,
  thresholdsToTell,
  tightest,
  type UnitBudget,
} from "./budget-rules.ts";

const budget = (change: Partial<UnitBudget> = {}): UnitBudget => ({
  kind: "units",
  id: "b1",
  environmentId: "e1",
  agentId: "a1",
  customerId: null,
  meterName: "api_calls",
  window: "day",
  limit: 10,
  warnAtPercent: 80,
  enforced: false,
  maxQuantityPerCall: 1_000_000,
  windowKey: "2026-11-23",
  resetsAt: new Date("2026-11-24T00:00:00Z"),
  recorded: 0,
  held: 0,
  warnedWindow: null,
  exceededWindow: null,
  createdAt: new Date(0),
  updatedAt: new Date(0),
  ...change,
});

const after = (...args: Parameters<typeof afterRecording>) => afterRecording(...args) as UnitBudget;
const use = (quantity: number) => ({ meterName: "api_calls", quantity });

describe("a budget", () => {
  it.each([
    [0, "ok"],
    [7, "ok"],
    [8, "warning"],
    [9, "warning"],
    [10, "exceeded"],
    [11, "exceeded"],
  ])("of 10 that warns at 80 %% is with %d used %s", (used, status) => {
    expect(budgetStatus(budget({ recorded: used }))).toBe(status);
  });

  it("is exact at the largest limit", () => {
    const statusAt = (recorded: number) =>
      budgetStatus(budget({ limit: Number.MAX_SAFE_INTEGER, warnAtPercent: 100, recorded }));
    expect(statusAt(Number.MAX_SAFE_INTEGER - 1)).toBe("ok");
    expect(statusAt(Number.MAX_SAFE_INTEGER)).toBe("exceeded");
  });

  it("has used what is recorded and what is held", () => {
    expect(budgetState(budget({ recorded: 4, held: 5 }), "api_calls")).toEqual({
      meterName: "api_calls",
      limit: 10,
      used: 9,
      remaining: 1,
      status: "warning",
      resetsAt: "2026-11-24T00:00:00.000Z",
    });
    expect(budgetState(budget({ recorded: 14 }), "api_calls").remaining).toBe(0);
  });

  it("refuses what does not fit, to the unit", () => {
    const half = budget({ recorded: 3, held: 2 });
    expect(refusing([half], use(5))).toEqual([]);
    expect(refusing([half], use(6))).toEqual([half]);
  });

  it("is never overdrawn by what it does not refuse, in any order of quantities", () => {
    fc.assert(
      fc.property(
        fc.nat(1_000),
        fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 30 }),
        (limit, quantities) => {
          let current: UnitBudget = budget({ limit, window: "total", windowKey: "total" });
          for (const quantity of quantities) {
            const fits = current.recorded + quantity <= limit;
            expect(refusing([current], use(quantity)).length === 0).toBe(fits);
            if (fits) current = after(current, { ...use(quantity), periodId: "p", day: "2026-11-23" });
          }
          expect(current.recorded).toBeLessThanOrEqual(limit);
        },
      ),
    );
  });

  it("counts usage of its own window alone", () => {
    const usage = { ...use(2), periodId: "p1", day: "2026-11-22" };
    expect(after(budget(), usage).recorded).toBe(0);
    expect(after(budget(), { ...usage, day: "2026-11-23" }).recorded).toBe(2);
    const period = budget({ window: "period", windowKey: "p1" });
    expect(after(period, usage).recorded).toBe(2);
    expect(after(period, { ...usage, periodId: "p2" }).recorded).toBe(0);
    expect(after(budget({ window: "total", windowKey: "total" }), usage).recorded).toBe(2);
  });
});

describe("the tightest of several budgets", () => {
  it("has the least left and, of equals, starts again last", () => {
    const loose = budget({ id: "loose", limit: 20 });
    const daily = budget({ id: "daily", recorded: 5 });
    const ever = budget({ id: "ever", limit: 100, recorded: 95, resetsAt: null });
    expect(tightest([])).toBeUndefined();
    expect(tightest([loose, daily])?.id).toBe("daily");
    expect(tightest([daily, ever])?.id).toBe("ever");
    expect(tightest([ever, daily])?.id).toBe("ever");
  });
});

describe("the budget that a refused call waits for", () => {
  const daily = budget({ id: "daily", recorded: 10 });
  const monthly = budget({
    id: "monthly",
    limit: 20,
    recorded: 18,
    resetsAt: new Date("2026-12-01T00:00:00Z"),
  });
  const ever = budget({ id: "ever", limit: 20, recorded: 16, resetsAt: null });
  const idOf = (budgets: UnitBudget[], quantity: number) => longestRefusing(budgets, use(quantity))?.id;

  it("is the one that starts again last, whatever is left of the others", () => {
    expect(idOf([daily, monthly], 1)).toBe("daily");
    expect(idOf([daily, monthly], 3)).toBe("monthly");
    expect(idOf([daily, monthly, ever], 5)).toBe("ever");
    expect(idOf([daily, monthly, ever], 4)).toBe("monthly");
    expect(longestRefusing([monthly, ever], use(2))).toBeUndefined();
  });

  it("is one whose whole limit is less, though more is left of it", () => {
    const unused = budget({ id: "unused", limit: 10 });
    expect(idOf([monthly, unused], 10)).toBe("monthly");
    expect(idOf([monthly, unused], 11)).toBe("unused");
  });
});

describe("thresholds", () => {
  it("are told once in a window", () => {
    expect(thresholdsToTell(budget({ recorded: 7 }))).toEqual([]);
    expect(thresholdsToTell(budget({ recorded: 8 }))).toEqual(["warning"]);
    expect(thresholdsToTell(budget({ recorded: 10 }))).toEqual(["warning", "exceeded"]);
    expect(thresholdsToTell(budget({ recorded: 9, warnedWindow: "2026-11-23" }))).toEqual([]);
    expect(thresholdsToTell(budget({ recorded: 9, warnedWindow: "2026-11-22" }))).toEqual(["warning"]);
    const told = { warnedWindow: "2026-11-23", exceededWindow: "2026-11-23" };
    expect(thresholdsToTell(budget({ recorded: 90, ...told }))).toEqual([]);
  });

  it("are not reached by what is only held", () => {
    expect(thresholdsToTell(budget({ recorded: 7, held: 50 }))).toEqual([]);
  });
});
