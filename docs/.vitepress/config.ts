import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitepress";
import { brokenLinks } from "./broken-links.ts";
import { llmsText } from "./llms.ts";
import { linkTo, reference, type Section, sections } from "./pages.ts";
import { problemsOfPages } from "./written-pages.ts";

const problems = problemsOfPages();
if (problems.length > 0) throw new Error(`docs/.vitepress/pages.ts:\n  ${problems.join("\n  ")}`);

const sidebarOf = ({ title, pages }: Section) => ({
  text: title,
  items: pages.map((page) => ({ text: page.title, link: linkTo(page) })),
});

const { repository: { url = "" } = {} } = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"),
);
const repository = url === "" ? undefined : url.replace(/^git\+/, "").replace(/\.git$/, "");

export default defineConfig({
  title: "Licentric for TypeScript",
  description: "Charge for MCP tools.",
  lang: "en",
  cleanUrls: true,
  head: [["link", { rel: "icon", type: "image/svg+xml", href: "/favicon.svg" }]],
  // What a search engine shows under a page's title.
  transformPageData({ relativePath, description }) {
    const page = [...sections, reference]
      .flatMap(({ pages }) => pages)
      .find(({ path }) => path === relativePath);
    return page !== undefined && description === ""
      ? { description: `${page.title}: ${page.about}.` }
      : undefined;
  },
  themeConfig: {
    outline: [2, 3],
    search: { provider: "local" },
    // Once the repository has an address, it is linked from every page.
    ...(repository !== undefined && { socialLinks: [{ icon: "github", link: repository }] }),
    sidebar: [...sections, reference].map(sidebarOf),
  },
  // VitePress checks that a link's page is there; this, that its anchor is, too.
  buildEnd({ outDir }) {
    writeFileSync(join(outDir, "llms.txt"), llmsText());
    const broken = brokenLinks(outDir);
    if (broken.length > 0) throw new Error(`Broken links:\n  ${broken.join("\n  ")}`);
  },
});
