import type { Price } from "@licentric/contract";
import { Price as PriceSchema } from "@licentric/contract";
import Big from "big.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exactCost, minorToDecimal, roundToCurrency, sumAmounts } from "./pricing.ts";

const decimal = fc
  .tuple(fc.integer({ min: 0, max: 999 }), fc.integer({ min: 0, max: 12 }), fc.nat({ max: 999_999 }))
  .map(([whole, digits, fraction]) =>
    digits === 0 ? String(whole) : `${whole}.${String(fraction).padStart(digits, "0").slice(0, digits)}`,
  );

const tiers = fc
  .tuple(
    fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 4 }),
    fc.array(fc.record({ unitPrice: decimal, flatPrice: fc.option(decimal, { nil: undefined }) }), {
      minLength: 5,
      maxLength: 5,
    }),
  )
  .map(([bounds, prices]) => {
    const sorted: (number | null)[] = [...bounds.sort((a, b) => a - b), null];
    return sorted.flatMap((upTo, index) => {
      const price = prices[index];
      if (price === undefined) return [];
      const { unitPrice, flatPrice } = price;
      return [{ upTo, unitPrice, ...(flatPrice === undefined ? {} : { flatPrice }) }];
    });
  });

const plain: fc.Arbitrary<Price> = fc.oneof(
  fc.record({ model: fc.constant("per_unit" as const), unitPrice: decimal }),
  fc.record({ model: fc.constant("graduated" as const), tiers }),
  fc.record({ model: fc.constant("volume" as const), tiers }),
  fc.record({
    model: fc.constant("package" as const),
    packageSize: fc.integer({ min: 1, max: 30 }),
    packagePrice: decimal,
  }),
);

const anyPrice: fc.Arbitrary<Price> = fc
  .tuple(
    plain,
    fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
    fc.option(decimal, { nil: undefined }),
  )
  .map(([price, includedQuantity, minimumAmount]) => ({
    ...price,
    ...(includedQuantity === undefined ? {} : { includedQuantity }),
    ...(minimumAmount === undefined ? {} : { minimumAmount }),
  }));

const quantity = fc.integer({ min: 0, max: 200 });

/** The same cost, found the slow way: one unit after the other. */
function bruteForce(price: Price, quantity: number): Big {
  if (quantity === 0) return new Big(0);
  const included = price.includedQuantity ?? 0;
  const charged = Array.from({ length: quantity }, (_, index) => index + 1).slice(included);
  const tierOf = (
    unit: number,
    steps: { upTo: number | null; unitPrice: string; flatPrice?: string | undefined }[],
  ) => steps.findIndex(({ upTo }) => upTo === null || unit <= upTo);
  let cost = new Big(0);
  if (price.model === "per_unit") for (const _ of charged) cost = cost.plus(price.unitPrice);
  else if (price.model === "package") {
    for (const [index] of charged.entries())
      if (index % price.packageSize === 0) cost = cost.plus(price.packagePrice);
  } else {
    const reached = new Set<number>();
    for (const [index] of charged.entries()) {
      const at = tierOf(price.model === "volume" ? charged.length : index + 1, price.tiers);
      const tier = price.tiers[at];
      if (tier === undefined) throw new Error("no tier");
      cost = cost.plus(tier.unitPrice);
      if (!reached.has(at)) cost = cost.plus(tier.flatPrice ?? 0);
      reached.add(at);
    }
  }
  const minimum = new Big(price.minimumAmount ?? 0);
  return cost.lt(minimum) ? minimum : cost;
}

describe("exactCost", () => {
  it("equals the sum over every single unit, for every price that the contract takes", () => {
    fc.assert(
      fc.property(anyPrice, quantity, (price, units) => {
        expect(PriceSchema.safeParse(price).success).toBe(true);
        expect(exactCost(price, BigInt(units)).toFixed()).toBe(bruteForce(price, units).toFixed());
      }),
      { numRuns: 1_000 },
    );
  });

  it("never falls when usage grows, but for volume prices, which give all units the later price", () => {
    fc.assert(
      fc.property(anyPrice, quantity, quantity, (price, a, b) => {
        fc.pre(price.model !== "volume");
        const [less, more] = a < b ? [a, b] : [b, a];
        expect(exactCost(price, BigInt(less)).lte(exactCost(price, BigInt(more)))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("adds up where each unit has one price, however usage is divided", () => {
    fc.assert(
      fc.property(decimal, quantity, quantity, (unitPrice, a, b) => {
        const price = { model: "per_unit", unitPrice } as const;
        const divided = exactCost(price, BigInt(a)).plus(exactCost(price, BigInt(b)));
        expect(exactCost(price, BigInt(a + b)).eq(divided)).toBe(true);
      }),
    );
  });

  it("costs nothing without usage, and nothing within the included quantity but the minimum", () => {
    fc.assert(
      fc.property(anyPrice, quantity, (price, units) => {
        expect(exactCost(price, 0n).eq(0)).toBe(true);
        fc.pre(units > 0 && units <= (price.includedQuantity ?? 0));
        expect(exactCost(price, BigInt(units)).eq(price.minimumAmount ?? 0)).toBe(true);
      }),
    );
  });

  it("is that of the units that are not free, by whatever counts them", () => {
    fc.assert(
      fc.property(plain, decimal, quantity, quantity, (price, minimumAmount, units, free) => {
        const stated = { ...price, minimumAmount };
        const expected = bruteForce({ ...stated, includedQuantity: free }, units).toFixed();
        expect(exactCost(stated, BigInt(units), BigInt(free)).toFixed()).toBe(expected);
        const each = { ...stated, allowance: { quantity: free, every: "period" as const } };
        expect(exactCost(each, BigInt(units)).toFixed()).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  it("is exact for the largest quantity and the smallest price", () => {
    const price = { model: "per_unit", unitPrice: "0.000000000001" } as const;
    expect(exactCost(price, BigInt(Number.MAX_SAFE_INTEGER)).toFixed()).toBe("9007.199254740991");
  });

  it.each<[Price, string]>([
    [
      { model: "per_unit", unitPrice: "999999999999999.999999999999" },
      "9007199254740992999999999990992.800745259007",
    ],
    [{ model: "package", packageSize: 2, packagePrice: "3" }, "13510798882111491"],
    [
      {
        model: "graduated",
        tiers: [
          { upTo: Number.MAX_SAFE_INTEGER, unitPrice: "1" },
          { upTo: null, unitPrice: "0.1" },
        ],
      },
      "9007199254740991.2",
    ],
    [
      {
        model: "volume",
        tiers: [
          { upTo: Number.MAX_SAFE_INTEGER, unitPrice: "5" },
          { upTo: null, unitPrice: "1" },
        ],
        includedQuantity: 1,
      },
      "9007199254740992",
    ],
  ])("is exact where the quantity is more than a number holds: %j", (price, cost) => {
    expect(exactCost(price, 9_007_199_254_740_993n).toFixed()).toBe(cost);
  });
});

describe("roundToCurrency", () => {
  it.each([
    ["0.005", "usd", "0.01", 1],
    ["0.00499999999999", "usd", "0.00", 0],
    ["1.005", "eur", "1.01", 101],
    ["2.5", "jpy", "3", 3],
    ["2.4999", "jpy", "2", 2],
    ["1.5", "isk", "2", 2],
    ["0.015", "kwd", "0.020", 20],
    ["0.0149", "kwd", "0.010", 10],
    ["0.5", "ugx", "1", 1],
  ])("rounds %s %s half up to %s", (exact, currency, amount, amountMinor) => {
    expect(roundToCurrency(new Big(exact), currency)).toEqual({ amount, amountMinor });
  });

  it("is off by at most half of what the currency can pay, never below, and stays as it is", () => {
    fc.assert(
      fc.property(decimal, fc.constantFrom("usd", "jpy", "isk", "kwd"), (exact, currency) => {
        const rounded = roundToCurrency(new Big(exact), currency);
        const half = { usd: "0.005", jpy: "0.5", isk: "0.5", kwd: "0.005" }[currency] ?? "";
        const difference = new Big(rounded.amount).minus(exact);
        expect(difference.lte(half) && difference.gt(new Big(half).neg())).toBe(true);
        expect(roundToCurrency(new Big(rounded.amount), currency)).toEqual(rounded);
        expect(minorToDecimal(rounded.amountMinor, currency)).toBe(rounded.amount);
      }),
    );
  });

  it("is exact where the amount is more than a number holds, and its minor unit the nearest number", () => {
    const rounded = roundToCurrency(new Big("90071992547409.925"), "usd");
    expect(rounded).toEqual({ amount: "90071992547409.93", amountMinor: 9_007_199_254_740_992 });
    const huge = roundToCurrency(new Big("1e40"), "kwd");
    expect(huge).toEqual({ amount: `1${"0".repeat(40)}.000`, amountMinor: 1e43 });
    expect(sumAmounts([huge, { amount: "0.010", amountMinor: 10 }], "kwd").amount).toBe(
      `1${"0".repeat(40)}.010`,
    );
    expect(minorToDecimal("9007199254740993", "usd")).toBe("90071992547409.93");
  });

  it("rounds each line once and the sum of the lines not at all", () => {
    const line = roundToCurrency(new Big("0.005"), "usd");
    expect(sumAmounts([line, line, line], "usd")).toEqual({ amount: "0.03", amountMinor: 3 });
    fc.assert(
      fc.property(fc.array(decimal, { maxLength: 20 }), (exact) => {
        const lines = exact.map((one) => roundToCurrency(new Big(one), "usd"));
        const minor = lines.reduce((sum, { amountMinor }) => sum + amountMinor, 0);
        expect(sumAmounts(lines, "usd").amountMinor).toBe(minor);
      }),
    );
  });
});
