import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { build } from "tsup";
import { digestOf, filesIn, makeOnce } from "./make-once.ts";
import { packageSources } from "./package-sources.ts";
import { stagePackages } from "./staged-packages.ts";

/** Programs that tests and benchmarks run as processes of their own. */
export interface Programs<Name extends string> {
  /** The folder with their sources, `<name>.ts`. */
  readonly sources: string;
  readonly names: readonly Name[];
  /**
   * Where they are compiled to. It must be in the package of the sources, whose dependencies they find there; packages
   * of this workspace they find as users get them.
   */
  readonly into: string;
}

/**
 * Compiles programs once for a whole run, beside the packages that they import, as users get those: tests start some
 * hundred processes, and a loader compiles for each of them anew.
 *
 * @returns the compiled files by the programs' names; what has not changed is not compiled again
 */
export async function compilePrograms<Name extends string>({
  sources,
  names,
  into,
}: Programs<Name>): Promise<Readonly<Record<Name, string>>> {
  const packages = join(await stagePackages(), "node_modules");
  const digest = digestOf([...packageSources(), ...filesIn(sources)], packages, ...names);
  const compiled = await makeOnce(into, digest, async (directory) => {
    mkdirSync(join(directory, "node_modules"));
    for (const own of ["@licentric", "licentric"])
      symlinkSync(join(packages, own), join(directory, "node_modules", own), "junction");
    await build({
      config: false,
      silent: true,
      entry: names.map((name) => join(sources, `${name}.ts`)),
      outDir: directory,
      format: ["esm"],
      outExtension: () => ({ js: ".mjs" }),
      target: "node20",
      skipNodeModulesBundle: true,
    });
  });
  const files = names.map((name) => [name, join(compiled, `${name}.mjs`)]);
  return Object.fromEntries(files) as Record<Name, string>;
}
