import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    name: "paywall",
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/compile-programs.ts"],
  },
});
