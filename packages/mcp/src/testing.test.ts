import { AssertionError } from "node:assert";
import { describe, expect, it } from "vitest";
import { createTestPaywall, type ExpectedUsage } from "./testing.ts";

async function billedTwice() {
  const paywall = createTestPaywall();
  const charge = (meterName: string, quantity: number) =>
    paywall.tool({ meterName, quantity }, async (_context: object) => ({ content: [] }))({});
  await charge("api_calls", 1);
  await charge("rows", 3);
  return paywall;
}

describe("expectBilled", () => {
  it.each<[string, ExpectedUsage[]]>([
    [
      "everything",
      [
        { agentId: "agt_test", meterName: "api_calls", quantity: 1 },
        { meterName: "rows", quantity: 3 },
      ],
    ],
    ["any agent, meter and quantity", [{}, {}]],
  ])("passes for %s", async (_, expected) => {
    const paywall = await billedTwice();
    expect(() => paywall.expectBilled(...expected)).not.toThrow();
  });

  it.each<[string, ExpectedUsage[]]>([
    ["nothing", []],
    ["less", [{ meterName: "api_calls" }]],
    ["more", [{}, {}, {}]],
    ["another order", [{ meterName: "rows" }, { meterName: "api_calls" }]],
    ["another quantity", [{}, { quantity: 4 }]],
    ["another meter", [{ meterName: "tokens" }, {}]],
    ["another agent", [{ agentId: "agt_2" }, {}]],
  ])("fails for %s, and shows what was billed", async (_, expected) => {
    const paywall = await billedTwice();
    expect(() => paywall.expectBilled(...expected)).toThrow(AssertionError);
    expect(() => paywall.expectBilled(...expected)).toThrow(/"meterName":"rows","quantity":3/);
  });
});
