import { defineConfig } from "vitest/config";

// The tests of the rules alone, which need no database: each mutation runs those that reach it.
export default defineConfig({
  test: {
    include: [
      "src/billing/agent-share.test.ts",
      "src/billing/currency.test.ts",
      "src/billing/pricing.test.ts",
      "src/metering/budget-rules.test.ts",
      "src/metering/money-budget-rules.test.ts",
    ],
  },
});
