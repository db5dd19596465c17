import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    name: "mcp",
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    globalSetup: ["test/compile-programs.ts"],
  },
});
