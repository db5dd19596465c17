import type { Command } from "commander";
import { createProgram, loadAllCommands } from "../../packages/cli/src/program.ts";
import { code, document, plain, table } from "./markdown.ts";
import { readmeTable } from "./readme-table.ts";

const commands = await loadAllCommands();

/** The page of every command, of what `--help` says of each. */
export function commandLinePage(): string {
  return document(
    "# Command line",
    "```sh\nnpx licentric --help\n```",
    ...leaves(createProgram({}, commands)).flatMap(({ path, command }) => section(path, command)),
    "## Exit codes",
    readmeTable("cli", "For programs").text,
  );
}

interface Leaf {
  /** Its words: `licentric budgets create`. */
  readonly path: string;
  readonly command: Command;
}

/** Every command that can be run, in the order of `--help`; those that only hold others are left out. */
function leaves(command: Command, before = ""): Leaf[] {
  const path = `${before} ${command.name()}`.trim();
  const children = command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== "help");
  if (children.length === 0) return [{ path, command }];
  return children.flatMap((child) => leaves(child, path));
}

function section(path: string, command: Command): string[] {
  const help = command.createHelp();
  const options = help.visibleOptions(command).filter((option) => option.long !== "--help");
  return [
    `## ${path}`,
    `\`\`\`text\n${path} ${command
      .usage()
      .replace("[options]", options.length > 0 ? "[options]" : "")
      .trim()}\n\`\`\``,
    sentence(command.description()),
    table(
      ["argument", ""],
      help
        .visibleArguments(command)
        .map((each) => [code(help.argumentTerm(each)), plain(help.argumentDescription(each))]),
    ),
    table(
      ["option", ""],
      options.map((each) => [code(help.optionTerm(each)), plain(help.optionDescription(each))]),
    ),
  ];
}

const sentence = (text: string) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
