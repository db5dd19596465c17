import { defineConfig } from "vitest/config";

// Its tests start servers of other packages and languages, and the API.
export default defineConfig({
  test: {
    name: "gate",
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
