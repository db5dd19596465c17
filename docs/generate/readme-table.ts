import { readFileSync } from "node:fs";
import { join } from "node:path";

const packages = join(import.meta.dirname, "../../packages");

/** A table of a package's README, and the names in code that its first column has, in their order. */
export interface ReadmeTable {
  readonly text: string;
  readonly names: readonly string[];
}

/**
 * The first table below a heading of a package's README.
 *
 * @throws Error where there is no such heading or no table below it
 */
export function readmeTable(name: string, heading: string): ReadmeTable {
  const readme = readFileSync(join(packages, name, "README.md"), "utf8");
  const section = readme.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  const text = section?.match(/^(\|.*\n)+/m)?.[0];
  if (text === undefined) throw new Error(`packages/${name}/README.md has no table under "${heading}"`);
  const firstCells = text.split("\n").map((line) => line.split("|")[1] ?? "");
  return {
    text,
    names: firstCells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, found = ""]) => found)),
  };
}

/**
 * Checks that a README's table has what the code has.
 *
 * @throws Error which names what one has and the other has not
 */
export function expectSame(what: string, inReadme: readonly string[], inCode: readonly string[]): void {
  const missing = inCode.filter((name) => !inReadme.includes(name));
  const gone = inReadme.filter((name) => !inCode.includes(name));
  if (missing.length > 0) throw new Error(`${what}: the README lacks ${missing.join(", ")}`);
  if (gone.length > 0) throw new Error(`${what}: the README has ${gone.join(", ")}, which the code has not`);
}
