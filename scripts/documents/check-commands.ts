import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createProgram, loadAllCommands } from "../../packages/cli/src/program.ts";
import { createCommand } from "../../packages/gate/src/command/create-command.ts";
import { problemOfRequest } from "./check-requests.ts";
import { commandsIn } from "./shell-commands.ts";

const root = join(import.meta.dirname, "../..");
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const commands = await loadAllCommands();

/** Commands of others that documents use. None of them is checked further. */
const OTHERS = new Set([
  "cat",
  "cd",
  "claude",
  "codex",
  "cp",
  "createdb",
  "docker",
  "export",
  "mkdir",
  "node",
  "pg_basebackup",
  "pg_ctl",
  "pg_dump",
  "pg_restore",
  "psql",
  "source",
]);
const NPM = new Set(["init", "install", "run", "start", "test"]);
/** Codes of commander's errors where something is missing. */
const INCOMPLETE = ["commander.missingArgument", "commander.missingMandatoryOptionValue", "commander.help"];

/** What is wrong with the commands of a script. */
export function problemsOfScript(script: string): string[] {
  return problemsOf(script, []);
}

/**
 * What is wrong with code in prose, where it is a command of ours. Prose names commands without their arguments, as in
 * "`licentric agents suspend` stops an agent".
 */
export function problemsOfMention(code: string): string[] {
  if (!/^(\w+=\S* |\w+=\$\()*(licentric|npx|pnpm) /.test(code) || /^licentric <command>/.test(code))
    return [];
  return problemsOf(code, INCOMPLETE);
}

function problemsOf(script: string, allowed: readonly string[]): string[] {
  try {
    return commandsIn(script).flatMap((words) => {
      const program = words.findIndex((word) => !/^\w+=/.test(word));
      const problem = program < 0 ? undefined : problemOfCommand(words.slice(program), allowed);
      return problem === undefined ? [] : [`${words.join(" ")}: ${problem}`];
    });
  } catch (error) {
    return [String(error)];
  }
}

function problemOfCommand([program = "", ...args]: string[], allowed: readonly string[]): string | undefined {
  const [first = ""] = args;
  switch (program) {
    case "npx":
      if (first === "-y" || first === "--yes") return problemOfCommand([program, ...args.slice(1)], allowed);
      if (first === "@modelcontextprotocol/inspector") return undefined;
      if (first !== "licentric" && first !== "pnpm@10" && first !== "@licentric/gate")
        return `npx runs licentric, @licentric/gate or pnpm@10, and not ${first}`;
      return problemOfCommand(args, allowed);
    case "licentric":
      return problemOf(createProgram({}, commands), args, allowed);
    case "licentric-gate":
    case "@licentric/gate":
      return problemOf(
        createCommand("0.0.0", args, async () => undefined),
        args,
        allowed,
      );
    case "pnpm":
    case "pnpm@10":
      return problemOfPnpm(args.filter((each) => each !== "--silent"));
    case "npm":
      return problemOfNpm(args);
    case "curl":
      return problemOfCurl(args);
    default:
      return OTHERS.has(program)
        ? undefined
        : `${program} is not in the list of scripts/documents/check-commands.ts`;
  }
}

type Command = ReturnType<typeof createProgram>;

/** Has a real command line read the arguments, and does nothing. */
function problemOf(program: Command, args: string[], allowed: readonly string[]): string | undefined {
  disarm(program);
  try {
    program.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const code = "code" in error ? String(error.code) : "";
    if (code !== "commander.helpDisplayed" && code !== "commander.version" && !allowed.includes(code))
      return error.message;
  }
  return undefined;
}

function disarm(command: Command): void {
  command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  // Commands that hold others have no action, which is why they show their help.
  if (command.commands.length === 0) command.action(() => undefined);
  command.commands.forEach(disarm);
}

function problemOfNpm([command = "", ...packages]: string[]): string | undefined {
  if (!NPM.has(command)) return `npm ${command} is not in the list of scripts/documents/check-commands.ts`;
  const unknown = packages.find(
    (name) =>
      name.startsWith("@licentric/") && !existsSync(join(root, name.replace("@licentric", "packages"))),
  );
  return unknown && `there is no package ${unknown}`;
}

/** Commands of pnpm's own and of a tool that is installed, which no script is named after. */
const PNPM = new Set(["changeset", "install"]);

function problemOfPnpm([script = "", name = "", ...more]: string[]): string | undefined {
  if (PNPM.has(script)) return undefined;
  if (script === "--filter" && more[0] === "run") return problemOfPackageScript(name, more[1] ?? "");
  if (!(script in scripts)) return `package.json has no script ${script}`;
  if (script === "example" && !existsSync(join(root, "examples", name, "src/main.ts")))
    return `there is no example ${name}`;
  return undefined;
}

function problemOfPackageScript(name: string, script: string): string | undefined {
  const file = join(root, "packages", name.replace("@licentric/", ""), "package.json");
  if (!existsSync(file)) return `there is no package ${name}`;
  const manifest = JSON.parse(readFileSync(file, "utf8"));
  return script in manifest.scripts ? undefined : `${name} has no script ${script}`;
}

function problemOfCurl(args: string[]): string | undefined {
  const url = args.find((arg) => /^(https?:|\$\w+\/)/.test(arg));
  if (url === undefined) return "curl is given no address";
  const flag = args.findIndex((arg) => arg === "-X" || arg === "--request");
  const method = flag < 0 ? "GET" : (args[flag + 1] ?? "");
  return problemOfRequest(method, url.replace(/^(https?:\/\/[^/]+|\$\w+)/, ""));
}
