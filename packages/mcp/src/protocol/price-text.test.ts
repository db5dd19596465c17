import { expect, it } from "vitest";
import { priceText } from "./price-text.ts";

const meter = { unit: "page", currency: "eur" };

it.each([
  [{ model: "per_unit", unitPrice: "0.25" }, "0.25 EUR per page"],
  [
    { model: "per_unit", unitPrice: "0.25", includedQuantity: 100, minimumAmount: "5" },
    "0.25 EUR per page, the first 100 of a period free, at least 5 EUR a period",
  ],
  [
    { model: "per_unit", unitPrice: "0.25", allowance: { quantity: 20, every: "day" } },
    "0.25 EUR per page, the first 20 of a day free",
  ],
  [
    { model: "per_unit", unitPrice: "0.25", allowance: { quantity: 20, every: "period" } },
    "0.25 EUR per page, the first 20 of a period free",
  ],
  [{ model: "per_unit", unitPrice: "0.25", allowance: { quantity: 0, every: "day" } }, "0.25 EUR per page"],
  [{ model: "package", packageSize: 1_000, packagePrice: "2" }, "2 EUR per 1000 (page)"],
  [
    {
      model: "graduated",
      tiers: [
        { upTo: 10, unitPrice: "1", flatPrice: "3" },
        { upTo: null, unitPrice: "0.5" },
      ],
    },
    "per page, each by a period's quantity: 1 EUR and 3 EUR once up to 10; 0.5 EUR beyond",
  ],
  [
    {
      model: "volume",
      tiers: [
        { upTo: 10, unitPrice: "1" },
        { upTo: null, unitPrice: "0" },
      ],
    },
    "per page, all by a period's quantity: 1 EUR up to 10; 0 EUR beyond",
  ],
] as const)("says %j in a few words", (price, text) => {
  expect(priceText({ ...meter, price: structuredClone(price) as never })).toBe(text);
});

it("says nothing of a meter without a price", () => {
  expect(priceText({ ...meter, price: null })).toBeUndefined();
});
