import { Option } from "commander";
import { usageError } from "../exit-codes.ts";
import type { OutputOptions } from "./print.ts";

/** The options that are read of a command that makes a secret. */
export interface SecretOptions extends OutputOptions {
  readonly showSecret?: true;
}

/** The option of every command that makes a secret. */
export const showSecretOption = () =>
  new Option("--show-secret", "print the secret, and nothing else, where standard output is not a terminal");

/** Returns true where a secret that is made now is seen by somebody who asked for it. */
export function hasSecretReader({ json, showSecret }: SecretOptions): boolean {
  return json === true || showSecret === true || process.stdout.isTTY;
}

/**
 * Refuses to make a secret that nobody would see, or that would end in a log nobody thought of: it is printed on a
 * terminal, or where that was asked for.
 *
 * @throws CommandError which says how to ask for it
 */
export function requireSecretReader(options: SecretOptions): void {
  if (hasSecretReader(options)) return;
  throw usageError(
    "The secret is shown once, and standard output is not a terminal: add --show-secret to print it, or --json.",
  );
}

/** Prints a secret: alone where a script takes it, with a word of explanation to a person. */
export function printSecret(options: SecretOptions, secret: string, explanation: string): void {
  if (options.showSecret || !process.stdout.isTTY) process.stdout.write(`${secret}\n`);
  else process.stdout.write(`${explanation}\n\n  ${secret}\n\n`);
}
