import { parseMarkdown } from "../../docs/.vitepress/parse-markdown.ts";

/** A part of a document, and the line where it, or the paragraph or table row round it, begins. */
export interface Part {
  readonly line: number;
  readonly text: string;
}

/** A code block: fenced, with its label as `language`, or indented, which has none. */
export interface Block extends Part {
  readonly language: string;
}

/** What can be checked of a document. */
export interface MarkdownDocument {
  readonly blocks: readonly Block[];
  /** Code within the prose. */
  readonly codes: readonly Part[];
  /** Addresses of links and images. */
  readonly links: readonly Part[];
  /** Anchors that are the same on the site and on GitHub; one that differs is broken on one of them. */
  readonly anchors: ReadonlySet<string>;
}

/** Reads a Markdown document. */
export function readDocument(markdown: string): MarkdownDocument {
  const blocks: Block[] = [];
  const codes: Part[] = [];
  const links: Part[] = [];
  const anchors = new Set<string>();
  let line = 1;
  let heading: string | undefined;
  for (const token of parseMarkdown(markdown)) {
    if (token.map) line = token.map[0] + 1;
    if (token.type === "fence" || token.type === "code_block")
      blocks.push({ language: token.info.trim(), line, text: token.content });
    if (token.type === "heading_open") heading = token.attrGet("id") ?? undefined;
    if (token.type === "heading_close") heading = undefined;
    if (token.type !== "inline") continue;
    if (heading?.replace(/-\d+$/, "") === gitHubSlug(token.content).replace(/-\d+$/, ""))
      anchors.add(heading);
    for (const child of token.children ?? []) {
      if (child.type === "code_inline") codes.push({ line, text: child.content });
      const address = child.attrGet(child.type === "image" ? "src" : "href");
      if (address !== null && child.attrGet("class") !== "header-anchor") links.push({ line, text: address });
    }
  }
  return { blocks, codes, links, anchors };
}

/** A heading's anchor on GitHub, without the number of one that is there already. */
function gitHubSlug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
    .replaceAll(" ", "-");
}
