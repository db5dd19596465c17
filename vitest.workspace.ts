import { defineConfig } from "vitest/config";

// One project per package, so that `vitest --project sdk` runs one of them alone.
export default defineConfig({
  test: {
    projects: ["packages/*/vitest.config.ts", "examples/*/vitest.config.ts", "scripts/vitest.config.ts"],
    reporters: process.env["CI"] ? ["default", ["json", { outputFile: "test-results.json" }]] : ["default"],
  },
});
