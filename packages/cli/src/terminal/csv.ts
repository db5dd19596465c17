/** A value of one cell of a CSV file. */
export type CsvValue = string | number | bigint | boolean | null | undefined;

/**
 * Comma-separated values as RFC 4180 has them, for spreadsheets: a header, then a line for each row. A text that a
 * spreadsheet would run as a formula gets an apostrophe in front of it.
 */
export function toCsv<Column extends string>(
  columns: readonly Column[],
  rows: readonly { readonly [Each in Column]?: CsvValue }[],
): string {
  const lines = [columns.map(cell), ...rows.map((row) => columns.map((column) => cell(row[column])))];
  return lines.map((cells) => `${cells.join(",")}\r\n`).join("");
}

function cell(value: CsvValue): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" && isFormula(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Checks whether a spreadsheet takes a text for a formula; a number with its sign is none. */
const isFormula = (text: string) => /^[=+\-@\t\r]/.test(text) && !/^[+-]?\d+(\.\d+)?$/.test(text);
