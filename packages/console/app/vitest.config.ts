import { defineConfig } from "vitest/config";

// Run by `pnpm console:test`, and by no other command: it builds the pages first.
export default defineConfig({
  test: {
    name: "console",
    root: import.meta.dirname,
    include: ["test/*.test.ts"],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 240_000,
  },
});
