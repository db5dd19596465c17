import { defineConfig } from "vitest/config";

// Most of these tests start databases and servers, which takes a busy machine its time.
export default defineConfig({
  test: {
    name: "server",
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/compile-server.ts", "test/support/make-template-database.ts"],
    // Its files share their processes: each would load the API and PGlite anew, and compile both.
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
