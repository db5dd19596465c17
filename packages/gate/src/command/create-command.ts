import { Command, InvalidArgumentError } from "commander";
import { CONFIG_FILE } from "../config/gate-config.ts";
import type { CommandLine } from "./run-gate.ts";

/**
 * Makes the command line.
 *
 * @param args - its arguments, without Node and the program's own name
 * @param run - does what they say
 */
export function createCommand(
  version: string,
  args: readonly string[],
  run: (line: CommandLine) => Promise<void>,
): Command {
  return new Command("licentric-gate")
    .description("A paid front for any MCP server: each call is verified and billed before it is passed on.")
    .usage(
      "[options] -- <command> [arguments...]\n       licentric-gate [options] <url>\n       licentric-gate [options]",
    )
    .version(version)
    .argument("[upstream...]", "the server: its command behind --, or its URL; else the file says it")
    .option("--config <file>", `prices and all else; ${CONFIG_FILE} by default, if it is there`)
    .option("--init", "write that file from what the server lists, and end")
    .option("--stdio", "speak MCP on standard input and output, for the agent of LICENTRIC_AGENT_TOKEN")
    .option("--host <address>", "address to listen on; 127.0.0.1 by default")
    .option("--port <number>", "port to listen on, 0 for any free one; 8080 by default", port)
    .option(
      "--header <name: value>",
      "a header of your own for a remote server; may be given several times",
      header,
    )
    .exitOverride()
    .showHelpAfterError("Run with --help to see what there is.")
    .action((operands: string[], options: CommandLine["options"]) =>
      run({ operands, options, hasDashes: args.at(-operands.length - 1) === "--" }),
    );
}

function port(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 65_535) return value;
  throw new InvalidArgumentError("It is a whole number from 0 to 65535.");
}

function header(text: string, before: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const [, name, value] = /^([!#$%&'*+.^\w`|~-]+):\s*(.*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError('Write "name: value", such as "authorization: Bearer …".');
  return { ...before, [name]: value };
}
