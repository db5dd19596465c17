import { linkTo, reference, sections } from "./pages.ts";

/** The site for language models (https://llmstxt.org): what it is, and each page with what it is for. */
export function llmsText(): string {
  const lists = [...sections, reference].map(({ title, pages }) => {
    const items = pages.map((page) => `- [${page.title}](${linkTo(page)}): ${page.about}`);
    return `## ${title}\n\n${items.join("\n")}\n`;
  });
  return `# Licentric for TypeScript

> Charge for the calls of AI agents: MCP tools, HTTP routes, steps of other agents. A paywall of one line verifies and meters
> each call before its handler runs, a self-hosted API keeps the books, and the month's usage becomes one invoice.

The packages are @licentric/mcp (the paywall for MCP), @licentric/gate (a paid front for any MCP server, without code),
@licentric/paywall (for anything else), @licentric/sdk (the client), @licentric/server (the API) and licentric (the command line: \`npx licentric dev\`).

${lists.join("\n")}`;
}
