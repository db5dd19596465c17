import type { Price } from "@licentric/contract";
import { describe, expect, it } from "vitest";
import { agentShare } from "./agent-share.ts";

const unit: Price = { model: "per_unit", unitPrice: "0.0025" };
const lineOf = (quantity: string, price: Price | null = unit) => ({
  meterName: "pages",
  displayName: "Pages",
  quantity,
  parts: undefined,
  free: undefined,
  price,
  isOwnPrice: false,
});
const adjustedTo = (
  quantity: string,
  used: string,
  adjusted: string,
  carriedIn = "0",
  carriedOver = "0",
) => ({
  ...lineOf(quantity),
  parts: { used, adjusted, carriedIn, carriedOver },
});

describe("an agent's share", () => {
  it.each([
    ["is its quantity times the price of one unit", lineOf("30"), { used: "10", adjusted: "0" }, "0.025"],
    ["is all that a single agent costs", lineOf("3"), { used: "3", adjusted: "0" }, "0.0075"],
    ["has what was adjusted in it", adjustedTo("25", "30", "-5"), { used: "10", adjusted: "-5" }, "0.0125"],
    [
      "is negative where more is taken than was used",
      adjustedTo("20", "30", "-10"),
      { used: "5", adjusted: "-10" },
      "-0.0125",
    ],
    [
      "is less where the period before took away",
      adjustedTo("20", "40", "0", "-20"),
      { used: "20", adjusted: "0" },
      "0.025",
    ],
    [
      "is nothing where all is taken away",
      adjustedTo("0", "30", "-40", "0", "-10"),
      { used: "10", adjusted: "0" },
      "0",
    ],
    [
      "is that of the units that it is charged where it has free ones alone",
      { ...lineOf("30"), free: 20n },
      { used: "12", adjusted: "0", free: 8n },
      "0.01",
    ],
    [
      "is by all units where all share what is free",
      { ...lineOf("30"), free: 20n },
      { used: "15", adjusted: "0" },
      "0.0125",
    ],
    [
      "is nothing where as much is taken away as was used",
      adjustedTo("0", "30", "-30"),
      { used: "10", adjusted: "0" },
      "0",
    ],
    [
      "is by all units where none is charged",
      { ...lineOf("30", { ...unit, minimumAmount: "3" }), free: 30n },
      { used: "10", adjusted: "0", free: 10n },
      "1",
    ],
    ["is nothing of a meter without a price", lineOf("30", null), { used: "10", adjusted: "0" }, "0"],
    ["is nothing of a meter without a line", undefined, { used: "10", adjusted: "-10" }, "0"],
    [
      "is zero without a sign",
      { ...adjustedTo("20", "30", "-10"), price: null },
      { used: "0", adjusted: "-10" },
      "0",
    ],
    [
      "is rounded half up at the twelfth decimal",
      lineOf("3", { model: "per_unit", unitPrice: "0", minimumAmount: "0.02" }),
      { used: "1", adjusted: "0" },
      "0.006666666667",
    ],
    [
      "is of the whole minimum by its quantity",
      lineOf("4", { ...unit, minimumAmount: "5" }),
      { used: "1", adjusted: "0" },
      "1.25",
    ],
    [
      "is exact beyond what a number holds",
      lineOf("40000000000000000002", { model: "per_unit", unitPrice: "1" }),
      { used: "40000000000000000001", adjusted: "0" },
      "40000000000000000001",
    ],
  ])("%s", (_, line, own, expected) => {
    expect(agentShare(line, own)).toBe(expected);
  });
});
