import { settingsFor } from "./stryker.mjs";

export default settingsFor("paywall", ["src/call/*.ts", "src/modes/*.ts", "!src/**/*.test.ts"], 90);
