import { Option } from "commander";

/** The options of a command that {@link print} reads. */
export interface OutputOptions {
  readonly json?: true;
}

/** The options of a command that {@link printRows} reads. */
export interface RowsOutputOptions extends OutputOptions {
  readonly csv?: true;
}

/** The option of every command that answers something. */
export const jsonOption = () => new Option("--json", "print the API's own data, as one JSON document");

/** The option of commands whose data goes into spreadsheets. */
export const csvOption = () =>
  new Option("--csv", "print comma-separated values, for spreadsheets").conflicts("json");

/** Prints the data for a program, or the view of it for a person. */
export function print<Data>({ json }: OutputOptions, data: Data, view: (data: Data) => string): void {
  process.stdout.write(json ? `${JSON.stringify(data, null, 2)}\n` : view(data));
}

/** Prints the data for a program, its rows for a spreadsheet, or the view of it for a person. */
export function printRows<Data>(
  { json, csv }: RowsOutputOptions,
  data: Data,
  { view, rows }: { readonly view: (data: Data) => string; readonly rows: (data: Data) => string },
): void {
  print({ ...(json && { json }) }, data, csv ? rows : view);
}
