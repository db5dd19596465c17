import { defineConfig } from "vitest/config";

// One project per package, so that `vitest --project sdk` runs one of them alone.
export default defineConfig({
  test: {
    // Many of these tests wait for processes and databases of their own, so more run at once than there are cores.
    maxWorkers: 4,
    projects: ["packages/*/vitest.config.ts", "examples/*/vitest.config.ts", "scripts/vitest.config.ts"],
    reporters: process.env["CI"] ? ["default", ["json", { outputFile: "test-results.json" }]] : ["default"],
  },
});
