import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageFolders } from "../packages/package-sources.ts";
import { packPackages } from "../packages/packed-project.ts";
import { type Component, licenceTable, problemsOfLicences } from "./licences.ts";

/**
 * Writes what a release consists of into `release/`: a CycloneDX document (`sbom.cdx.json`) of all packages with
 * everything that npm installs for them, and a table of the licences (`licences.md`). A licence that is not allowed, or
 * that is missing, ends it with 1.
 *
 * The packages are packed as they are published, and installed in an empty directory, as a user's npm does.
 */
const root = new URL("../..", import.meta.url).pathname;
const release = join(root, "release");
const directory = mkdtempSync(join(tmpdir(), "licentric-release-"));
const npm = (...args: string[]) =>
  execFileSync("npm", args, { cwd: directory, encoding: "utf8", maxBuffer: 64 * 1_024 * 1_024 });

try {
  const packed = await packPackages(packageFolders);
  const dependencies = Object.fromEntries(
    Object.entries(packed).map(([name, tarball]) => [name, `file:${tarball}`]),
  );
  const manifest = { name: "licentric-release", version: "0.0.0", private: true, dependencies };
  // What the packages depend on of each other is what was packed, and not what the registry has.
  const overrides = Object.fromEntries(Object.keys(packed).map((name) => [name, `$${name}`]));
  writeFileSync(join(directory, "package.json"), JSON.stringify({ ...manifest, overrides }));
  npm("install", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts");
  const sbom = npm("sbom", "--sbom-format=cyclonedx", "--sbom-type=application", "--omit=dev");
  const { components }: { components: Component[] } = JSON.parse(sbom);
  mkdirSync(release, { recursive: true });
  writeFileSync(join(release, "sbom.cdx.json"), sbom);
  writeFileSync(join(release, "licences.md"), licenceTable(components));
  const problems = problemsOfLicences(components);
  console.log(`release/sbom.cdx.json has ${components.length} components.`);
  if (problems.length > 0) throw new Error(`Licences:\n  ${problems.join("\n  ")}`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
