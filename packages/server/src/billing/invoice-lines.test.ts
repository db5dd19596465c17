import { expect, it } from "vitest";
import { itemsOf } from "./invoice-items.ts";
import { type BilledUsage, invoiceLines, shownDetails } from "./invoice-lines.ts";

const allowance = { quantity: 10, every: "day" as const };
const usage: BilledUsage = {
  meterName: "pages",
  displayName: "Pages read",
  quantity: "30",
  parts: undefined,
  free: undefined,
  price: { model: "per_unit", unitPrice: "0.10" },
  isOwnPrice: false,
};
const allowed: BilledUsage = {
  ...usage,
  price: { model: "per_unit", unitPrice: "0.10", allowance },
  free: 12n,
};
const parts = { used: "35", adjusted: "-5", carriedIn: "0", carriedOver: "0" };

it("charges the units of a line that its allowance does not leave free, and says how many were", () => {
  expect(invoiceLines([allowed], "eur")).toEqual([
    {
      meterName: "pages",
      description: "Pages read",
      quantity: 30,
      allowance: { ...allowance, free: "12" },
      unitPrice: "0.10",
      amount: "1.80",
      amountMinor: 180,
    },
  ]);
  expect(invoiceLines([usage], "eur")[0]).not.toHaveProperty("allowance");
});

it.each([
  [usage, ""],
  [allowed, "12 free"],
  [{ ...usage, parts }, "35 used, -5 adjusted"],
  [{ ...allowed, parts }, "35 used, -5 adjusted, 12 free"],
])("says what a line is made of, in Stripe's description of it, too: %#", (of, details) => {
  const lines = invoiceLines([of], "eur");
  expect(lines.map(shownDetails)).toEqual([details]);
  const [item] = itemsOf({ lines, discount: null, minimum: null });
  expect(item?.description).toBe(details === "" ? "Pages read × 30" : `Pages read × 30 (${details})`);
});
