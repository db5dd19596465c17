import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { AWAITED, type Section, sections } from "./pages.ts";

/** The folder of the site's sources. */
export const docs = dirname(import.meta.dirname);

/** Paths below `docs/` of every page that is written by hand, the home included. */
export function writtenPages(): string[] {
  return readdirSync(docs, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md") && !/^(reference|node_modules|\.vitepress)\//.test(path))
    .sort();
}

/** The awaited pages that are not there yet. */
export function missingPages(found: readonly string[] = writtenPages()): string[] {
  return AWAITED.filter((path) => !found.includes(path));
}

/** The sections without the pages that are missing, and without sections that have no other. */
export function writtenSections(): Section[] {
  const missing = missingPages();
  return sections
    .map(({ title, pages }) => ({ title, pages: pages.filter(({ path }) => !missing.includes(path)) }))
    .filter(({ pages }) => pages.length > 0);
}

/** How the list of pages and the pages in the folder differ: not at all, if both are right. */
export function problemsOfPages(found: readonly string[] = writtenPages()): string[] {
  const listed = ["index.md", ...sections.flatMap(({ pages }) => pages.map(({ path }) => path))];
  return [
    ...found.filter((path) => !listed.includes(path)).map((path) => `${path} is not in the list of pages`),
    ...listed
      .filter((path) => !found.includes(path) && !AWAITED.includes(path))
      .map((path) => `${path} is in the list of pages and not in the folder`),
    ...AWAITED.filter((path) => !listed.includes(path)).map(
      (path) => `${path} is awaited and not in the list`,
    ),
  ];
}
