import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { sections } from "./pages.ts";

/** The folder of the site's sources. */
export const docs = dirname(import.meta.dirname);

const GENERATED = ["reference", "node_modules", ".vitepress"];

/** Paths below `docs/` of every page that is written by hand, the home included. */
export function writtenPages(): string[] {
  return readdirSync(docs, { withFileTypes: true })
    .filter(({ name }) => !GENERATED.includes(name))
    .flatMap((entry) =>
      entry.isDirectory()
        ? readdirSync(join(docs, entry.name), { recursive: true, encoding: "utf8" }).map((path) =>
            join(entry.name, path),
          )
        : [entry.name],
    )
    .filter((path) => path.endsWith(".md"))
    .sort();
}

/** How the list of pages and the pages in the folder differ: not at all, if both are right. */
export function problemsOfPages(found: readonly string[] = writtenPages()): string[] {
  const listed = ["index.md", ...sections.flatMap(({ pages }) => pages.map(({ path }) => path))];
  return [
    ...found.filter((path) => !listed.includes(path)).map((path) => `${path} is not in the list of pages`),
    ...listed
      .filter((path) => !found.includes(path))
      .map((path) => `${path} is in the list of pages and not in the folder`),
  ];
}
