/** A table; a cell's line breaks and bars are kept from ending it. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |\n`;
  return `${line(head)}${line(head.map(() => "---"))}${rows.map(line).join("")}`;
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

/** Text as code. */
export const code = (text: string) => `\`${text}\``;

/** Plain text that may have anything in it, placeholders such as `<id>` above all, which would be taken for HTML. */
export const plain = (text: string) => text.replace(/[<>{}*[\]\\]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** Sections and paragraphs one below the other, without those that are empty. */
export const document = (...parts: readonly string[]) =>
  `${parts
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .join("\n\n")}\n`;
