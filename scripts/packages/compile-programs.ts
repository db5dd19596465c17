import { join } from "node:path";
import { build } from "tsup";
import { stagePackages } from "./staged-packages.ts";

/** Programs that tests and benchmarks run as processes of their own. */
export interface Programs<Name extends string> {
  /** The folder with their sources, `<name>.ts`. */
  readonly sources: string;
  readonly names: readonly Name[];
  /** Where they are compiled to. It must be in the package of the sources, whose dependencies they find there. */
  readonly into: string;
  /** Folders of the packages of this workspace that they import, each after those that it depends on. */
  readonly packages: readonly string[];
}

/**
 * Compiles programs once for a whole run, beside the packages that they import, as users get those: tests start some
 * hundred processes, and a loader compiles for each of them anew.
 *
 * @returns the compiled files by the programs' names
 */
export async function compilePrograms<Name extends string>({
  sources,
  names,
  into,
  packages,
}: Programs<Name>): Promise<Readonly<Record<Name, string>>> {
  stagePackages(into, packages);
  await build({
    config: false,
    silent: true,
    entry: names.map((name) => join(sources, `${name}.ts`)),
    outDir: into,
    format: ["esm"],
    outExtension: () => ({ js: ".mjs" }),
    target: "node20",
    skipNodeModulesBundle: true,
  });
  const files = names.map((name) => [name, join(into, `${name}.mjs`)]);
  return Object.fromEntries(files) as Record<Name, string>;
}
