import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compilePrograms } from "../../scripts/packages/compile-programs.ts";
import { packPackages } from "../../scripts/packages/packed-project.ts";

const bench = fileURLToPath(new URL("..", import.meta.url));

/** Installs the one alternative that is too large to be installed with everything else, once. */
export function installMcpay(): void {
  const cwd = join(bench, "mcpay");
  if (existsSync(join(cwd, "node_modules/mcpay"))) return;
  const args = ["-y", "pnpm@10", "install", "--ignore-workspace", "--frozen-lockfile", "--ignore-scripts"];
  execFileSync("npx", args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
}

/**
 * Makes a folder in `bench/.staged`: the benchmarks compiled to JavaScript beside the packages as users get them, built
 * and with the manifest that is published. A loader that compiles while it loads, as `tsx` does, would be part of every
 * figure.
 *
 * @param tarball whether the client is packed, too, for its size.
 * @returns the program that measures
 */
export async function stage({ tarball }: { tarball: boolean }): Promise<string> {
  const programs = await compilePrograms({
    sources: join(bench, "src"),
    names: [
      "run",
      "serve-api",
      "serve-echo",
      "serve-gate",
      "serve-inserts",
      "serve-mcp",
      "serve-pass-through",
      "serve-stub",
    ],
    into: join(bench, ".staged"),
  });
  const packed = tarball ? (await packPackages(["contract", "sdk"]))["@licentric/sdk"] : undefined;
  if (packed !== undefined) copyFileSync(packed, join(dirname(programs.run), "sdk.tgz"));
  return programs.run;
}
