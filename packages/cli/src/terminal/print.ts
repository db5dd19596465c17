import { Option } from "commander";

/** The options of a command that {@link print} reads. */
export interface OutputOptions {
  readonly json?: true;
}

/** The option of every command that answers something. */
export const jsonOption = () => new Option("--json", "print the API's own data, as one JSON document");

/** Prints the data for a program, or the view of it for a person. */
export function print<Data>({ json }: OutputOptions, data: Data, view: (data: Data) => string): void {
  process.stdout.write(json ? `${JSON.stringify(data, null, 2)}\n` : view(data));
}
