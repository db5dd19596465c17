import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/index.ts", "src/journal.ts", "src/protocol.ts", "src/testing.ts"],
  format: ["esm", "cjs"],
  dts: { compilerOptions: { ignoreDeprecations: "6.0" } },
  // Workers and Deno know Node's modules by that name alone.
  removeNodeProtocol: false,
  target: "node20",
  clean: true,
  sourcemap: false,
});
