import { createInterface } from "node:readline/promises";
import { Option } from "commander";
import { CommandError, EXIT, usageError } from "../exit-codes.ts";
import { visible } from "./style.ts";

/** The options of a command that {@link confirm} reads. */
export interface ConfirmOptions {
  readonly yes?: true;
}

/** The option of every command that takes something away for good. */
export const yesOption = () => new Option("-y, --yes", "do not ask");

/** Returns true where there is a person to ask: standard input and standard error are a terminal. */
export function canAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/**
 * Asks a person before something is taken away for good; no by default.
 *
 * @throws CommandError where the answer is no, or where there is nobody to ask and `--yes` is missing
 */
export async function confirm(question: string, { yes }: ConfirmOptions): Promise<void> {
  if (yes) return;
  if (!canAsk()) throw usageError("This cannot be undone. Without a terminal to ask on, add --yes.");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const closed = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
    const answer = await Promise.race([terminal.question(`${visible(question)} [y/N] `), closed]);
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    terminal.close();
  }
  throw new CommandError("Nothing was changed.", EXIT.error);
}
