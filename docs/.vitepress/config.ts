import { defineConfig } from "vitepress";
import { brokenLinks } from "./broken-links.ts";
import { linkTo, reference, type Section, sections } from "./pages.ts";
import { problemsOfPages } from "./written-pages.ts";

const problems = problemsOfPages();
if (problems.length > 0) throw new Error(`docs/.vitepress/pages.ts:\n  ${problems.join("\n  ")}`);

const sidebarOf = ({ title, pages }: Section) => ({
  text: title,
  items: pages.map((page) => ({ text: page.title, link: linkTo(page) })),
});

export default defineConfig({
  title: "Licentric for TypeScript",
  description: "Charge for MCP tools.",
  lang: "en",
  cleanUrls: true,
  themeConfig: {
    outline: [2, 3],
    search: { provider: "local" },
    sidebar: [...sections, reference].map(sidebarOf),
  },
  // VitePress checks that a link's page is there; this, that its anchor is, too.
  buildEnd({ outDir }) {
    const broken = brokenLinks(outDir);
    if (broken.length > 0) throw new Error(`Broken links:\n  ${broken.join("\n  ")}`);
  },
});
