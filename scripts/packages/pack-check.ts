import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageFolders } from "./package-sources.ts";
import { problemsOf, unpackedSize } from "./packed-contents.ts";
import { packPackages } from "./packed-project.ts";
import { problemsOfBundle } from "./worker-bundle.ts";

/**
 * Packs every package as it would be published, and holds each tarball against what may be in it, against publint
 * and against `@arethetypeswrong/cli`. Prints the sizes.
 */
/** Programs and pages, which nobody requires. */
const ESM_ONLY = new Set(["@licentric/console", "@licentric/gate", "@licentric/server"]);
const root = new URL("../..", import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), "licentric-pack-"));
const tool = (name: string, args: readonly string[]) =>
  execFileSync(join(root, "node_modules/.bin", name), args, { stdio: ["ignore", "inherit", "inherit"] });

try {
  const folders = readdirSync(join(root, "packages"));
  if (folders.toSorted().join() !== packageFolders.toSorted().join()) {
    throw new Error(`packages/ has ${folders.join(", ")}; what is packed is ${packageFolders.join(", ")}.`);
  }
  const packed = Object.entries(await packPackages(packageFolders));
  const problems: string[] = [];
  for (const [name, tarball] of packed) {
    const unpacked = join(scratch, "node_modules", name);
    mkdirSync(unpacked, { recursive: true });
    execFileSync("tar", ["-xzf", tarball, "-C", unpacked, "--strip-components=1"]);
    const kilobytes = [statSync(tarball).size, unpackedSize(unpacked)].map((size) =>
      (size / 1_024).toFixed(1),
    );
    console.log(`\n${name}: ${kilobytes.join(" kB packed, ")} kB unpacked`);
    const found = problemsOf(unpacked);
    problems.push(...found.map((problem) => `${name}: ${problem}`));
    tool("publint", [tarball, "--strict"]);
    // The command line has no entry to import.
    if (name === "licentric") continue;
    tool("attw", [tarball, "--profile", ESM_ONLY.has(name) ? "esm-only" : "node16", "--no-emoji"]);
  }
  problems.push(...(await problemsOfBundle(scratch, [join(root, "packages/contract/node_modules")])));
  if (problems.length > 0) throw new Error(`\n${problems.join("\n")}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
