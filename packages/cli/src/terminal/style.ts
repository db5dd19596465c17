import { styleText } from "node:util";

/** A style that a piece of text can have. */
export type Style = "bold" | "dim" | "green" | "yellow" | "red";

/** A stream that is written to, standard output or standard error. */
export type Output = NodeJS.WriteStream;

/**
 * The text in a style where `stream` is a terminal, and neither NO_COLOR nor TERM=dumb asks for plain text. FORCE_COLOR
 * decides alone where it is set: empty, `1`, `2`, `3` or `true` for a style, anything else for none.
 */
export function styled(style: Style, text: string, stream: Output = process.stdout): string {
  return styleText(style, text, { stream });
}

/**
 * Text from outside as a terminal may show it: without control characters, which could move the cursor, rename the
 * window or hide what follows.
 */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    KEPT.has(character) ? character : "\u{fffd}",
  );
}

/** Joiners that make one sign of several, as in family emoji and in scripts of India. */
const KEPT: ReadonlySet<string> = new Set(["\u200c", "\u200d"]);
