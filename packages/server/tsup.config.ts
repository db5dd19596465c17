import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import license from "esbuild-plugin-license";
import { defineConfig } from "tsup";

const root = join(import.meta.dirname, "../..");

export default defineConfig(({ outDir = "dist" }) => ({
  entry: ["src/index.ts"],
  format: ["esm"],
  dts: { compilerOptions: { ignoreDeprecations: "6.0" } },
  target: "node20",
  clean: true,
  sourcemap: false,
  // Every release of Fastify 5 installs `light-my-request`, and with it a `cookie` that strict installers refuse on
  // Node 20. So Fastify, a development dependency, is built in, without that part, which only `inject` loads.
  external: ["light-my-request"],
  // Of Fastify's CommonJS, which asks for Node's own modules.
  banner: {
    js: 'import { createRequire as createBundledRequire } from "node:module";\nconst require = createBundledRequire(import.meta.url);',
  },
  esbuildPlugins: [
    // The licences are written before tsup makes the folder.
    { name: "folder", setup: ({ onEnd }) => onEnd(() => void mkdirSync(outDir, { recursive: true })) },
    license({
      banner: "",
      thirdParty: {
        output: {
          file: resolve(import.meta.dirname, outDir, "THIRD-PARTY-LICENSES.txt"),
          template: licensesOf,
        },
      },
    }),
  ],
  onSuccess: async () => {
    const write = join(root, "scripts/packages/write-empty-database.ts");
    const file = join(outDir, "empty-database.br");
    await promisify(execFile)(process.execPath, ["--import", "tsx", write, file]);
  },
}));

interface Bundled {
  readonly packageJson: { readonly name?: string; readonly version?: string };
  readonly licenseText: string;
}

/** The licences of what is built in, which each of them asks to be handed on. */
function licensesOf(bundled: readonly Bundled[]): string {
  return bundled
    .map(({ packageJson: { name, version }, licenseText }) => `${name} ${version}\n\n${licenseText.trim()}\n`)
    .toSorted()
    .join(`\n${"-".repeat(80)}\n\n`);
}
