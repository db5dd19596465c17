import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";

/**
 * The links of a built site that lead nowhere: to a file that is not there, or to an anchor that its page has not.
 *
 * @param dist - the folder of the built site
 */
export function brokenLinks(dist: string): string[] {
  const pages = new Map(
    readdirSync(dist, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".html") && path !== "404.html")
      .map((path) => [path, mainOf(readFileSync(join(dist, path), "utf8"))]),
  );
  const ids = new Map([...pages].map(([path, html]) => [path, new Set(attributes(html, "id"))]));
  return [...pages].flatMap(([path, html]) =>
    attributes(html, "href")
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const { pathname, hash } = new URL(link, `http://site/${path}`);
        const target = fileOf(pathname);
        const anchors = ids.get(target);
        if (anchors === undefined) return !existsSync(join(dist, target));
        return hash !== "" && !anchors.has(decodeURIComponent(hash.slice(1)));
      })
      .map((link) => `${path}: ${link}`),
  );
}

/** The page's own part: what is round it is the same everywhere. */
function mainOf(html: string): string {
  return html.slice(html.indexOf("<main"), html.indexOf("</main>"));
}

function attributes(html: string, name: string): string[] {
  return [...html.matchAll(new RegExp(`\\s${name}="([^"]*)"`, "g"))].map(([, value = ""]) =>
    value.replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&#39;", "'"),
  );
}

/** The file that a server answers for an address without its ending. */
function fileOf(pathname: string): string {
  const path = normalize(decodeURIComponent(pathname)).slice(1);
  if (path === "" || path.endsWith("/")) return `${path}index.html`;
  return /\.\w+$/.test(path) ? path : `${path}.html`;
}
