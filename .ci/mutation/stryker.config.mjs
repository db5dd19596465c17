import { fileURLToPath } from "node:url";

/** Runs in `packages/server`; the sources stay as they are, for what is mutated is a copy of them. */
export default {
  mutate: [
    "src/billing/agent-share.ts",
    "src/billing/currency.ts",
    "src/billing/pricing.ts",
    "src/metering/budget-rules.ts",
  ],
  testRunner: "vitest",
  plugins: [import.meta.resolve("@stryker-mutator/vitest-runner")],
  vitest: { configFile: fileURLToPath(new URL("vitest.config.ts", import.meta.url)), related: false },
  coverageAnalysis: "perTest",
  concurrency: 2,
  reporters: ["clear-text"],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  thresholds: { high: 95, low: 92, break: 92 },
};
