import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import ts from "typescript";

/** Files by their paths, and the files that each of them imports. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/** The folder of each package whose name does not end with it. */
const FOLDERS: Readonly<Record<string, string>> = { licentric: "cli" };

/**
 * Reads what the packages' sources import of each other, types included and tests left out.
 *
 * @param packages - the folder of the packages, from which the paths go: `sdk/src/index.ts`
 */
export function readImports(packages: string): Imports {
  const sources = readdirSync(packages).flatMap((name) =>
    readdirSync(join(packages, name, "src"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
      .map((path) => posix.join(name, "src", path)),
  );
  return new Map(
    sources.map((path) => [path, importsIn(path, readFileSync(join(packages, path), "utf8"))] as const),
  );
}

/**
 * The files that a source imports, in whatever way: by a statement, a call, or within a type. A package of ours stands
 * for all of its files as `name/src/index.ts`; those of others are left out.
 */
export function importsIn(path: string, text: string): string[] {
  return ts.preProcessFile(text).importedFiles.flatMap(({ fileName }) => {
    if (fileName.startsWith(".")) return [posix.join(posix.dirname(path), fileName)];
    const [scope, name = scope] = fileName.split("/");
    if (scope !== "@licentric" && FOLDERS[fileName] === undefined) return [];
    return [`${FOLDERS[fileName] ?? name}/src/index.ts`];
  });
}

/** The circles of imports: of each the files that import each other, directly or by way of others. */
export function circlesIn(imports: Imports): string[][] {
  const reached = new Map([...imports.keys()].map((path) => [path, reachableFrom(path, imports)]));
  const circles = [...reached]
    .filter(([path, others]) => others.has(path))
    .map(([path, others]) => [...others].filter((other) => reached.get(other)?.has(path)).sort());
  return [...new Map(circles.map((members) => [members.join(), members])).values()].sort();
}

function reachableFrom(start: string, imports: Imports): Set<string> {
  const reached = new Set<string>();
  const next = [start];
  for (let path = next.pop(); path !== undefined; path = next.pop()) {
    for (const other of imports.get(path) ?? []) {
      if (reached.has(other)) continue;
      reached.add(other);
      next.push(other);
    }
  }
  return reached;
}
