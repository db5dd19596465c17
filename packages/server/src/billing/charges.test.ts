import type { Discount, InvoiceLine } from "@licentric/contract";
import Big from "big.js";
import { describe, expect, it } from "vitest";
import { applyTerms } from "./charges.ts";
import { itemsOf, sumOfItems } from "./invoice-items.ts";
import { roundToCurrency } from "./pricing.ts";

const percent = (text: string): Discount => ({ model: "percent", percent: text });
const amount = (text: string): Discount => ({ model: "amount", amount: text });

function linesOf(amounts: readonly string[], currency: string): InvoiceLine[] {
  return amounts.map((each, index) => ({
    meterName: `meter${index}`,
    description: "Meter",
    quantity: 1,
    unitPrice: null,
    ...roundToCurrency(new Big(each), currency),
  }));
}

interface Case {
  readonly what: string;
  readonly currency?: string;
  readonly lines: readonly string[];
  readonly discount?: Discount;
  readonly minimum?: string;
  /** Taken off, added and left; undefined: there is no such line. */
  readonly off?: string;
  readonly added?: string;
  readonly total: string;
}

const CASES: readonly Case[] = [
  { what: "nothing is agreed", lines: ["1.10", "2.20"], total: "3.30" },
  { what: "per cent", lines: ["10.00"], discount: percent("12.5"), off: "1.25", total: "8.75" },
  {
    what: "per cent of the sum, rounded once, half up",
    lines: ["0.05", "0.05"],
    discount: percent("5"),
    off: "0.01",
    total: "0.09",
  },
  { what: "per cent that come to nothing", lines: ["0.04"], discount: percent("10"), total: "0.04" },
  { what: "all of it", lines: ["7.77"], discount: percent("100"), off: "7.77", total: "0.00" },
  { what: "an amount", lines: ["10.00", "5.00"], discount: amount("2.5"), off: "2.50", total: "12.50" },
  { what: "more than there is", lines: ["1.99"], discount: amount("25"), off: "1.99", total: "0.00" },
  { what: "nothing to take it off", lines: [], discount: amount("25"), total: "0.00" },
  { what: "a sum that is large enough", lines: ["50.00"], minimum: "50", total: "50.00" },
  { what: "a sum that is lower", lines: ["49.99"], minimum: "50", added: "0.01", total: "50.00" },
  { what: "no usage", lines: [], minimum: "50", added: "50.00", total: "50.00" },
  {
    what: "the minimum after the discount",
    lines: ["60.00"],
    discount: percent("50"),
    minimum: "50",
    off: "30.00",
    added: "20.00",
    total: "50.00",
  },
  {
    what: "yen",
    currency: "jpy",
    lines: ["333"],
    discount: percent("50"),
    minimum: "200",
    off: "167",
    added: "34",
    total: "200",
  },
  {
    what: "dinars, in steps of ten of the smallest unit",
    currency: "bhd",
    lines: ["1.230"],
    discount: percent("10"),
    minimum: "2.5",
    off: "0.120",
    added: "1.390",
    total: "2.500",
  },
  {
    what: "more than a number holds",
    lines: ["123456789012345678.91"],
    discount: percent("10"),
    off: "12345678901234567.89",
    total: "111111110111111111.02",
  },
];

describe("what is taken off an invoice's lines, and added to them", () => {
  it.each(CASES)("$what", ({ currency = "usd", lines: amounts, discount, minimum, off, added, total }) => {
    const lines = linesOf(amounts, currency);
    const terms = {
      ...(discount && { discount: { discountId: "d", discount, reason: "a launch" } }),
      ...(minimum && { minimum: { minimumId: "m", minimum } }),
    };
    const applied = applyTerms(lines, terms, currency);
    expect(applied.total).toBe(total);
    expect(applied.discount?.amount).toBe(off);
    expect(applied.minimum?.amount).toBe(added);
    // As Stripe adds them up.
    const sum = sumOfItems({ lines, ...applied });
    if (Number.isSafeInteger(sum)) expect(sum).toBe(roundToCurrency(new Big(total), currency).amountMinor);
  });

  it("is one item each in Stripe, behind the lines, with its reason", () => {
    const lines = linesOf(["60.00"], "usd");
    const discount = { discountId: "d", discount: percent("50"), reason: "a launch" };
    const applied = applyTerms(lines, { discount, minimum: { minimumId: "m", minimum: "50" } }, "usd");
    const shown = itemsOf({ lines, ...applied }).map(({ key, description, amount: money, amountMinor }) => [
      key,
      description,
      money,
      amountMinor,
    ]);
    expect(shown).toEqual([
      ["meter0", "Meter × 1", "60.00", 6_000],
      [":discount", "Discount of 50 %: a launch", "-30.00", -3_000],
      [":minimum", "Up to the minimum of 50 USD", "20.00", 2_000],
    ]);
    const off = { discountId: "d", discount: amount("2.5"), reason: "a promise" };
    expect(applyTerms(lines, { discount: off }, "usd").discount?.description).toBe(
      "Discount of 2.5 USD: a promise",
    );
  });
});
