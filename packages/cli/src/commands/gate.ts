import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Command } from "commander";
import { runProgram } from "../dev/run-program.ts";
import { usageError } from "../exit-codes.ts";

const PACKAGE = "@licentric/gate";

/** `licentric gate`: hands its whole command line to `licentric-gate`, where that is installed. */
export function gateCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("gate")
    .argument("[arguments...]", "as `npx @licentric/gate --help` shows them")
    .helpOption(false)
    .allowUnknownOption()
    .action(async () => {
      // Commander leaves out the `--` that stands before a server's command.
      const args = process.argv.slice(process.argv.indexOf("gate") + 1);
      const program = findProgram();
      if (program === undefined)
        throw usageError(
          `${PACKAGE} is not installed here. This runs it without: npx ${[PACKAGE, ...args.map(quoted)].join(" ")}`,
        );
      await runProgram([process.execPath, ...process.execArgv, program, ...args], env);
    });
}

/** The program of the package that is installed for the working directory, or beside this one. */
function findProgram(): string | undefined {
  for (const from of [join(process.cwd(), "package.json"), import.meta.url]) {
    const manifest = resolved(from);
    if (manifest === undefined) continue;
    const { bin }: { bin: Readonly<Record<string, string>> } = JSON.parse(readFileSync(manifest, "utf8"));
    return join(dirname(manifest), bin["licentric-gate"] ?? "");
  }
  return undefined;
}

function resolved(from: string): string | undefined {
  try {
    return createRequire(from).resolve(`${PACKAGE}/package.json`);
  } catch {
    return undefined;
  }
}

/** An argument as a shell takes it. */
function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}
