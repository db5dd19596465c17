import { defineConfig } from "vitest/config";

// Run by `npx vitest run --config packages/gate/conformance/vitest.config.ts`, and by no other command: it installs the
// suite first.
export default defineConfig({
  test: {
    name: "conformance",
    root: import.meta.dirname,
    include: ["*.test.ts"],
    globalSetup: ["setup.ts"],
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
});
