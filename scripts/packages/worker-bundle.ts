import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** KiB, gzipped, that client and paywall may take in a Worker: it has to be loaded before the first request. */
const LIMIT = 130;

/** Node's modules that a Worker has with `nodejs_compat`, of any date since there is that flag. */
const OF_WORKERS = ["async_hooks", "buffer", "crypto", "events", "stream", "util"].map(
  (name) => `node:${name}`,
);

/**
 * Bundles client and paywall as Wrangler does, and returns what is wrong with the bundle: its size, and what it imports
 * that Workers have not. Prints the size.
 *
 * @param directory - has the unpacked packages in `node_modules`
 * @param others - folders of the packages that they depend on
 */
export async function problemsOfBundle(directory: string, others: readonly string[]): Promise<string[]> {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: `export { Licentric } from "@licentric/sdk"; export { createPaywall } from "@licentric/paywall";`,
      resolveDir: directory,
    },
    nodePaths: [...others],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    conditions: ["workerd", "worker", "browser"],
    external: ["node:*", "@opentelemetry/api"],
  });
  const bundle = outputFiles[0]?.contents ?? new Uint8Array();
  const size = gzipSync(bundle, { level: 9 }).length / 1_024;
  console.log(`\nA Worker with client and paywall: ${size.toFixed(1)} KiB, minified and gzipped`);
  const problems = size > LIMIT ? [`A Worker has ${size.toFixed(1)} KiB; ${LIMIT} are allowed.`] : [];
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  const missing = imports
    .filter(({ path, kind }) => kind === "import-statement" && !OF_WORKERS.includes(path))
    .map(({ path }) => `A Worker would import ${path}, which Workers have not.`);
  return [...problems, ...missing];
}
