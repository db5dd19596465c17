import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { reference } from "../../docs/.vitepress/pages.ts";
import { readDocument } from "./read-document.ts";

const root = join(import.meta.dirname, "../..");

/** Pages of the site that are not there before it is built; their anchors are checked then. */
const generated = ["reference/index.md", ...reference.pages.map(({ path }) => path)].map(
  (path) => `docs/${path}`,
);

/** What is wrong with a link in a document, whose path is from the root of the repository. */
export function problemOfLink(document: string, link: string): string | undefined {
  if (/^[a-z]+:/.test(link)) return undefined;
  const [path = "", anchor] = link.split("#").map(decodeURIComponent);
  const target = path === "" ? document : join(dirname(document), path);
  if (generated.includes(target.replace(/\/$/, "/index.md"))) return undefined;
  if (document.startsWith("docs/") && !target.startsWith("docs/"))
    return `${link} leaves docs/, so the site has no such page`;
  if (!existsSync(join(root, target))) return `${link}: there is no ${target}`;
  if (anchor === undefined) return undefined;
  const { anchors } = readDocument(readFileSync(join(root, target), "utf8"));
  return anchors.has(anchor)
    ? undefined
    : `${link}: no heading of ${target} makes this anchor on the site and on GitHub`;
}
