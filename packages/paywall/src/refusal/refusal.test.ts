import { describe, expect, it } from "vitest";
import { refuse } from "./refusal.ts";

const budget = {
  meterName: "pages",
  limit: 500,
  used: 490,
  remaining: 10,
  status: "warning" as const,
  resetsAt: "2026-12-01T00:00:00.000Z",
};
const amounts = { currency: "eur", limit: "5.00", used: "4.9", remaining: "0.1" };

describe("a refusal by a budget", () => {
  it("says whose budget it is, and how much of it is used", () => {
    const said = (more: object) => refuse("budget_exceeded", {}, { budget: { ...budget, ...more } }).message;
    expect(said({})).toContain(
      "The agent's budget is used up (490 of 500 pages). It starts again at 2026-12-01",
    );
    expect(said({ shared: true })).toContain("The customer's budget is used up (490 of 500 pages).");
    expect(said({ amounts })).toContain("The agent's budget is used up (4.9 of 5.00 EUR).");
  });

  it("compares no quantity with an amount of money: the API knows the price", () => {
    const refusal = (more: object) =>
      refuse("budget_exceeded", {}, { budget: { ...budget, ...more }, quantity: 501 });
    expect(refusal({})).toMatchObject({ resetsAt: null, retryable: false });
    expect(refusal({})).toMatchObject({
      message: expect.stringContaining(
        "The agent's whole budget (500 pages) is less than this call needs (501)",
      ),
    });
    expect(refusal({ shared: true }).message).toContain("The customer's whole budget");
    expect(refusal({ amounts })).toMatchObject({ resetsAt: budget.resetsAt, retryable: true });
    expect(refusal({ amounts, resetsAt: null })).toMatchObject({ resetsAt: null, retryable: false });
  });
});
