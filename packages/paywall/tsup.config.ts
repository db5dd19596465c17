import { defineConfig } from "tsup";

export default defineConfig({
  entry: [
    "src/index.ts",
    "src/adapter.ts",
    "src/fastify.ts",
    "src/journal.ts",
    "src/journal-elsewhere.ts",
    "src/testing.ts",
  ],
  // Where a module is, for its CommonJS: the journal loads its locks from there.
  shims: true,
  format: ["esm", "cjs"],
  dts: {
    // The journal has the same declarations wherever it runs.
    entry: ["src/index.ts", "src/adapter.ts", "src/fastify.ts", "src/journal.ts", "src/testing.ts"],
    compilerOptions: { ignoreDeprecations: "6.0" },
  },
  // Workers and Deno know Node's modules by that name alone.
  removeNodeProtocol: false,
  target: "node20",
  clean: true,
  sourcemap: false,
});
