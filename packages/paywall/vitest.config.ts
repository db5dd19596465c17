import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    name: "paywall",
    include: ["test/**/*.test.ts"],
    // Its files share their processes: none keeps anything in its modules.
    isolate: false,
    globalSetup: ["test/compile-programs.ts"],
  },
});
