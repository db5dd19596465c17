import { createMarkdownRenderer } from "vitepress";
import { docs } from "./written-pages.ts";

const renderer = await createMarkdownRenderer(docs);

/** A document's tokens, as the site reads it: its headings have their anchors as `id`. */
export const parseMarkdown = (text: string) => renderer.parse(text, {});
