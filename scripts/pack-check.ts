import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Packs every package as it would be published and holds each tarball against publint and
 * `@arethetypeswrong/cli`. Run after `pnpm build`.
 */
const root = new URL("..", import.meta.url).pathname;
const tarballs = mkdtempSync(join(tmpdir(), "licentric-pack-"));
const run = (command: string, args: readonly string[], cwd = root) =>
  execFileSync(command, args, { cwd, stdio: ["ignore", "inherit", "inherit"] });

try {
  for (const folder of readdirSync(join(root, "packages"))) {
    const directory = join(root, "packages", folder);
    const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
    run("pnpm", ["pack", "--pack-destination", tarballs, "--silent"], directory);
    const tarball = join(
      tarballs,
      `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`,
    );
    console.log(`\n${manifest.name}`);
    run("node_modules/.bin/publint", [tarball, "--strict"]);
    // The command line has no entry to import; the server is for ESM alone.
    const dualFormat = manifest.publishConfig.main !== undefined;
    if (manifest.exports !== undefined) {
      run("node_modules/.bin/attw", [tarball, "--profile", dualFormat ? "node16" : "esm-only", "--no-emoji"]);
    }
  }
} finally {
  rmSync(tarballs, { recursive: true, force: true });
}
