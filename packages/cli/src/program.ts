import { type Argument, Command } from "commander";
import { COMMANDS, COMPLETION_DESCRIPTION, type ListedCommand, type MakeCommand } from "./command-list.ts";
import { packageVersion } from "./package-directory.ts";

/** The commands of which more is known than help says of them, and what adds those of completion. */
export interface LoadedCommands {
  readonly commands: ReadonlyMap<ListedCommand, MakeCommand>;
  readonly addCompletion?: (program: Command) => void;
}

/** Loads all commands. */
export async function loadAllCommands(): Promise<LoadedCommands> {
  const { addCompletion } = await import("./commands/completion.ts");
  const all = Object.values(COMMANDS).flat();
  return { commands: await load(all), addCompletion };
}

/**
 * Loads the command that a command line asks for, or asks the help of. The others need not be loaded, which takes
 * longer than most commands take.
 *
 * @param args - without Node and the program's own name
 */
export async function loadCommandOf(args: readonly string[]): Promise<LoadedCommands> {
  const words = args.filter((word) => !word.startsWith("-"));
  const name = words[0] === "help" ? words[1] : words[0];
  if (name === "completion" || name === "complete") return loadAllCommands();
  const all = Object.values(COMMANDS).flat();
  return { commands: await load(all.filter((command) => command.name === name)) };
}

async function load(listed: readonly ListedCommand[]): Promise<Map<ListedCommand, MakeCommand>> {
  const made = listed.map(async (command) => [command, await command.load()] as const);
  return new Map(await Promise.all(made));
}

/** The whole command line. What has an environment variable is read from `env`. */
export function createProgram(env: NodeJS.ProcessEnv, { commands, addCompletion }: LoadedCommands): Command {
  const program = new Command("licentric")
    .description("Charge for MCP tools: run the API, authorize agents, set prices, bill the month.")
    .version(packageVersion())
    .helpCommand("help [command]", "show the help of a command");
  for (const [group, listed] of Object.entries(COMMANDS)) {
    program.commandsGroup(group);
    for (const one of listed) {
      const command = commands.get(one)?.(env) ?? unloaded(one.name, one.takes);
      program.addCommand(command.description(one.description));
    }
  }
  if (addCompletion) addCompletion(program);
  else program.addCommand(unloaded("completion", "<shell>").description(COMPLETION_DESCRIPTION));
  for (const command of [program, ...descendants(program)]) {
    command
      .exitOverride()
      .showHelpAfterError("Run with --help to see what there is.")
      .configureHelp({ subcommandTerm });
  }
  return program;
}

/** A command in the list of another one's help. Of those that are not loaded, nobody knows their options. */
function subcommandTerm(command: Command): string {
  return [command.name(), ...command.registeredArguments.map(shownArgument)].join(" ");
}

function shownArgument(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** A command of which only help is wanted, that of the whole command line. */
function unloaded(name: string, takes: string | undefined): Command {
  const command = new Command(name);
  return takes === undefined ? command : command.arguments(takes);
}

/** Every command below one: what is set on a command does not reach those that were added to it. */
function descendants(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...descendants(child)]);
}
