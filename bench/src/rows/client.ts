import { execFile } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { build } from "tsup";
import { divide, type Effort, inTurn, middle, type Row } from "../compare.ts";

const run = promisify(execFile);
const STAGED = fileURLToPath(new URL(".", import.meta.url));

/** Measures the cost of loading the client and the paywall, in time and in size, ÷ that of undici. */
export async function client(effort: Effort): Promise<Row[]> {
  return [
    await importing("client", "@licentric/sdk", effort),
    await importing("paywall", "@licentric/mcp", effort),
    await size("client", "@licentric/sdk"),
  ];
}

async function importing(what: string, specifier: string, { quick }: Effort): Promise<Row> {
  const { left, right } = await inTurn(
    quick ? 1 : 15,
    () => importTime(specifier),
    () => importTime("undici"),
  );
  return {
    name: `import of the ${what}`,
    ratio: `import("${specifier}") in a new process ÷ import("undici")`,
    ...divide(left, right),
    figures: `${middle(left)} ÷ ${middle(right)} ms`,
  };
}

/** Milliseconds that the import takes in a process that has loaded nothing yet. */
async function importTime(specifier: string): Promise<number> {
  const program = `const started = performance.now();
    await import("${specifier}");
    console.log(performance.now() - started);`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], { cwd: STAGED });
  return Number(stdout);
}

async function size(what: string, specifier: string): Promise<Row> {
  const [whole, alone, undici] = [
    await minified(specifier, { noExternal: [/.*/] }),
    await minified(specifier, { skipNodeModulesBundle: true }),
    await minified("undici", { noExternal: [/.*/] }),
  ];
  const tarball = join(STAGED, "sdk.tgz");
  const packed = existsSync(tarball) ? `; packed ${kilobytes(statSync(tarball).size)}` : "";
  return {
    name: `size of the ${what}`,
    ratio: "minified with all dependencies ÷ undici, minified",
    ...divide([whole.length], [undici.length]),
    figures: `${kilobytes(whole.length)} ÷ ${kilobytes(undici.length)}; alone ${kilobytes(alone.length)}, ${kilobytes((await promisify(gzip)(alone)).length)} gzipped${packed}`,
  };
}

/** A package as one minified file, with all that it needs or without. */
async function minified(
  specifier: string,
  dependencies: { noExternal: RegExp[] } | { skipNodeModulesBundle: true },
): Promise<Buffer> {
  const directory = await mkdtemp(join(STAGED, "size-"));
  try {
    await build({
      config: false,
      silent: true,
      entry: { bundle: fileURLToPath(import.meta.resolve(specifier)) },
      outDir: directory,
      format: ["esm"],
      target: "node20",
      minify: true,
      ...dependencies,
    });
    return await readFile(join(directory, "bundle.js"));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1_000).toFixed(0)} kB`;
}
