/** A value of one cell of a CSV file. */
export type CsvValue = string | number | bigint | boolean | null | undefined;

/**
 * Comma-separated values as RFC 4180 has them, for spreadsheets: a header, then a line for each row. A text that a
 * spreadsheet would run as a formula gets an apostrophe in front of it; so does what follows a semicolon or a tab in a
 * text, at which spreadsheets of other languages begin a new cell, whatever the quotes say.
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
  const text = typeof value === "string" ? withoutFormulas(value) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A number with its sign is no formula. */
function withoutFormulas(text: string): string {
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) return text;
  return text.replace(/^(?=[=+\-@\t\r\n])|(?<=[;\t]"?)(?=[=+\-@])/g, "'");
}
