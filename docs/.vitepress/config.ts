import { defineConfig } from "vitepress";
import { brokenLinks } from "./broken-links.ts";
import { linkTo, reference, type Section } from "./pages.ts";
import { missingPages, problemsOfPages, writtenSections } from "./written-pages.ts";

const problems = problemsOfPages();
if (problems.length > 0) throw new Error(`docs/.vitepress/pages.ts:\n  ${problems.join("\n  ")}`);

const missing = missingPages().map((path) => path.replace(/\.md$/, ""));
const isAwaited = (link: string) => missing.some((path) => link.replace(/#.*/, "").endsWith(path));

const sidebarOf = ({ title, pages }: Section) => ({
  text: title,
  items: pages.map((page) => ({ text: page.title, link: linkTo(page) })),
});

export default defineConfig({
  title: "Licentric for TypeScript",
  description: "Charge for MCP tools.",
  lang: "en",
  cleanUrls: true,
  ignoreDeadLinks: [isAwaited],
  themeConfig: {
    outline: [2, 3],
    search: { provider: "local" },
    sidebar: [...writtenSections(), reference].map(sidebarOf),
  },
  // VitePress checks that a link's page is there; this, that its anchor is, too.
  buildEnd({ outDir }) {
    const broken = brokenLinks(outDir, isAwaited);
    if (broken.length > 0) throw new Error(`Broken links:\n  ${broken.join("\n  ")}`);
  },
});
