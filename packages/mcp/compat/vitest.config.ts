import { defineConfig } from "vitest/config";

// Run by `pnpm compat`, and by no other command: it installs the frameworks first.
export default defineConfig({
  test: {
    name: "compat",
    root: import.meta.dirname,
    include: ["*.test.ts"],
    globalSetup: ["setup.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
