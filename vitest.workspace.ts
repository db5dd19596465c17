import { defineConfig } from "vitest/config";

// One project per package, so that `vitest --project sdk` runs one of them alone.
export default defineConfig({
  test: {
    // Most of these tests start processes and databases of their own: one file on each core keeps it busy, and more
    // make each of them wait for the others until its time is over.
    maxWorkers: "100%",
    projects: ["packages/*/vitest.config.ts", "examples/*/vitest.config.ts", "scripts/vitest.config.ts"],
    reporters: process.env["CI"] ? ["default", ["json", { outputFile: "test-results.json" }]] : ["default"],
  },
});
