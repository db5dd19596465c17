import { defineConfig } from "vitest/config";

// The tests beside the sources, against a gateway in memory: each mutation runs those that reach it. They share one
// thread, as most of a mutation's time is that of starting one and importing the sources.
export default defineConfig({
  test: { isolate: false, include: ["src/call/*.test.ts", "src/modes/*.test.ts"] },
});
