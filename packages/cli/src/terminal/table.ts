import stringWidth from "fast-string-width";
import { type Style, styled, visible } from "./style.ts";

/**
 * The content of one cell of a table. Numbers are grouped and aligned right; an empty cell is shown as a
 * dash.
 */
export type Cell =
  | string
  | number
  | bigint
  | null
  | undefined
  | { readonly text: string; readonly style: Style };

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 12 });

/** Rows under their headers, for people: no frame, columns as wide as they need to be. */
export function table(headers: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const right = headers.map((_, column) => rows.some((row) => isNumeric(row[column])));
  const body = rows.map((row) => headers.map((_, column) => toShown(row[column])));
  const widths = headers.map((header, column) =>
    Math.max(stringWidth(header), ...body.map((row) => stringWidth(row[column]?.text ?? ""))),
  );
  const line = (cells: readonly Shown[]) =>
    cells
      .map(({ text, style }, column) => {
        const padding = " ".repeat((widths[column] ?? 0) - stringWidth(text));
        const inked = style === undefined ? text : styled(style, text);
        return right[column] ? padding + inked : inked + padding;
      })
      .join("  ")
      .trimEnd();
  return `${[line(headers.map((text) => ({ text, style: "bold" }))), ...body.map(line)].join("\n")}\n`;
}

/** The members of one thing, one in a line. Those that are undefined are left out. */
export function fields(members: readonly (readonly [name: string, value: Cell])[]): string {
  const present = members.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...present.map(([name]) => name.length));
  return present
    .map(([name, value]) => {
      const { text, style } = toShown(value);
      return `${styled("dim", name.padEnd(width))}  ${style === undefined ? text : styled(style, text)}\n`;
    })
    .join("");
}

interface Shown {
  readonly text: string;
  readonly style: Style | undefined;
}

function isNumeric(cell: Cell): cell is number | bigint {
  return typeof cell === "number" || typeof cell === "bigint";
}

function toShown(cell: Cell): Shown {
  if (cell === null || cell === undefined || cell === "") return { text: "-", style: "dim" };
  if (isNumeric(cell)) return { text: grouped.format(cell), style: undefined };
  if (typeof cell === "string") return { text: visible(cell), style: undefined };
  return { text: visible(cell.text), style: cell.style };
}
