import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "tsup";
import { z } from "zod";
import { packPackages } from "../../scripts/packed-project.ts";

const bench = fileURLToPath(new URL("..", import.meta.url));
const staged = join(bench, ".staged");
const tsup = join(bench, "../node_modules/tsup/dist/cli-default.js");
const Manifest = z.looseObject({
  name: z.string(),
  dependencies: z.record(z.string(), z.string()),
  publishConfig: z.looseObject({}),
});

/** Installs the one alternative that is too large to be installed with everything else, once. */
export function installMcpay(): void {
  const cwd = join(bench, "mcpay");
  if (existsSync(join(cwd, "node_modules/mcpay"))) return;
  const args = ["-y", "pnpm@10", "install", "--ignore-workspace", "--frozen-lockfile", "--ignore-scripts"];
  execFileSync("npx", args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
}

/**
 * Makes `bench/.staged`: the packages as users get them, built and with the manifest that is published, and the
 * benchmarks compiled to JavaScript beside them. A loader that compiles while it loads, as `tsx` does, would be part
 * of every figure. Declarations are left out, which take most of the time that a build takes.
 *
 * @param tarball whether the client is packed, too, for its size.
 * @returns the program that measures
 */
export async function stage({ tarball }: { tarball: boolean }): Promise<string> {
  rmSync(staged, { recursive: true, force: true });
  for (const folder of ["contract", "sdk", "mcp", "server", "cli"])
    stagePackage(join(bench, "../packages", folder));
  await build({
    config: false,
    silent: true,
    entry: ["run", "serve-api", "serve-echo", "serve-stub", "serve-inserts"].map((name) =>
      join(bench, "src", `${name}.ts`),
    ),
    outDir: staged,
    format: ["esm"],
    target: "node20",
    skipNodeModulesBundle: true,
  });
  const packed = tarball ? (await packPackages(["contract", "sdk"]))["@licentric/sdk"] : undefined;
  if (packed !== undefined) copyFileSync(packed, join(staged, "sdk.tgz"));
  return join(staged, "run.js");
}

function stagePackage(source: string): void {
  const manifest = Manifest.parse(JSON.parse(readFileSync(join(source, "package.json"), "utf8")));
  const directory = join(staged, "node_modules", manifest.name);
  mkdirSync(directory, { recursive: true });
  execFileSync(process.execPath, [tsup, "--no-dts", "--silent", "--out-dir", join(directory, "dist")], {
    cwd: source,
    stdio: ["ignore", "inherit", "inherit"],
  });
  writeFileSync(join(directory, "package.json"), JSON.stringify({ ...manifest, ...manifest.publishConfig }));
  // Packages of this workspace find each other beside them; everything else is linked to where it is installed.
  for (const [name, version] of Object.entries(manifest.dependencies)) {
    if (version.startsWith("workspace:")) continue;
    const link = join(directory, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(realpathSync(join(source, "node_modules", name)), link, "junction");
  }
}
