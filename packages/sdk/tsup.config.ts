import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/index.ts", "src/platform/node.ts", "src/platform/web.ts"],
  // One of the two, which the runtime's own condition chooses when the client is loaded or bundled.
  external: ["#platform"],
  format: ["esm", "cjs"],
  dts: { entry: "src/index.ts", compilerOptions: { ignoreDeprecations: "6.0" } },
  // Workers and Deno know Node's modules by that name alone.
  removeNodeProtocol: false,
  target: "node20",
  clean: true,
  sourcemap: false,
});
