import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { defineConfig } from "tsup";

const root = join(import.meta.dirname, "../..");

export default defineConfig(({ outDir = "dist" }) => ({
  entry: ["src/index.ts"],
  format: ["esm"],
  dts: { compilerOptions: { ignoreDeprecations: "6.0" } },
  target: "node20",
  clean: true,
  sourcemap: false,
  onSuccess: async () => {
    const write = join(root, "scripts/packages/write-empty-database.ts");
    const file = join(outDir, "empty-database.br");
    await promisify(execFile)(process.execPath, ["--import", "tsx", write, file]);
  },
}));
