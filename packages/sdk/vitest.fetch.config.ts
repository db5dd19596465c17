import { defineConfig } from "vitest/config";

// The client as other runtimes than Node get it: over `fetch`, held to the same tests of its transport.
export default defineConfig({
  ssr: { resolve: { conditions: ["workerd", "module", "development"] } },
  test: {
    name: "sdk-fetch",
    include: ["test/{faults,retries,errors,requests,fetch}.test.ts"],
  },
});
