import { linkTo, reference, sections } from "./pages.ts";

/** A list of links on the home page. */
interface Links {
  readonly title: string;
  readonly links: readonly { readonly href: string; readonly title: string; readonly about: string }[];
}

declare const data: readonly Links[];

export { data };

/** Answers what the home page links to; VitePress calls it at build time. */
export default {
  load: (): Links[] =>
    [...sections, reference].map(({ title, pages }) => ({
      title,
      links: pages.map((page) => ({ href: linkTo(page), title: page.title, about: page.about })),
    })),
};
