import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { packageFolders } from "./packed-project.ts";

const packages = fileURLToPath(new URL("../../packages", import.meta.url));
const tsup = fileURLToPath(new URL("../../node_modules/tsup/dist/cli-default.js", import.meta.url));
const Manifest = z.looseObject({
  name: z.string(),
  files: z.array(z.string()),
  dependencies: z.record(z.string(), z.string()),
  publishConfig: z.looseObject({}),
});

/**
 * Makes `node_modules` in a folder, with packages as users get them, by default all of them: built and with the manifest that is
 * published. Declarations are left out, which take most of the time that a build takes.
 *
 * What runs from there starts in a third of the time that it takes from the sources by `tsx`, which compiles while it
 * loads.
 */
export function stagePackages(directory: string, folders: readonly string[] = packageFolders): void {
  rmSync(join(directory, "node_modules"), { recursive: true, force: true });
  for (const folder of folders) stagePackage(join(packages, folder), directory);
}

function stagePackage(source: string, directory: string): void {
  const manifest = Manifest.parse(JSON.parse(readFileSync(join(source, "package.json"), "utf8")));
  const staged = join(directory, "node_modules", manifest.name);
  mkdirSync(staged, { recursive: true });
  execFileSync(process.execPath, [tsup, "--no-dts", "--silent", "--out-dir", join(staged, "dist")], {
    cwd: source,
    stdio: ["ignore", "inherit", "inherit"],
  });
  writeFileSync(join(staged, "package.json"), JSON.stringify({ ...manifest, ...manifest.publishConfig }));
  for (const name of manifest.files) if (name !== "dist") link(join(source, name), join(staged, name));
  // Packages of this workspace find each other beside them; everything else is linked to where it is installed.
  for (const [name, version] of Object.entries(manifest.dependencies)) {
    if (version.startsWith("workspace:")) continue;
    link(realpathSync(join(source, "node_modules", name)), join(staged, "node_modules", name));
  }
}

function link(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path, "junction");
}
