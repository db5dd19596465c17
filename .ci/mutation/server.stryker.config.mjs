import { settingsFor } from "./stryker.mjs";

export default settingsFor(
  "server",
  [
    "src/billing/agent-share.ts",
    "src/billing/currency.ts",
    "src/billing/pricing.ts",
    "src/metering/budget-rules.ts",
  ],
  92,
);
