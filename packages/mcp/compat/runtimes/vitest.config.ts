import { defineConfig } from "vitest/config";

// Run by `npx vitest run --config packages/mcp/compat/runtimes/vitest.config.ts`, and by no other command: it installs
// the runtimes first.
export default defineConfig({
  test: {
    name: "runtimes",
    root: import.meta.dirname,
    include: ["*.test.ts"],
    globalSetup: ["setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
