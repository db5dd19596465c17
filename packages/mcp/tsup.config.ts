import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/index.ts", "src/journal.ts", "src/testing.ts"],
  format: ["esm", "cjs"],
  dts: { compilerOptions: { ignoreDeprecations: "6.0" } },
  target: "node20",
  clean: true,
  sourcemap: false,
});
