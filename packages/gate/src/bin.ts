#!/usr/bin/env node
import { CommanderError } from "commander";
import { createCommand } from "./command/create-command.ts";
import { EXIT } from "./command/exit-codes.ts";
import { explain } from "./command/explain.ts";
import { runGate } from "./command/run-gate.ts";
import { packageVersion } from "./package-version.ts";

// Standard output is MCP's with --stdio.
const say = (sentence: string) => void process.stderr.write(`licentric-gate: ${sentence}\n`);
const args = process.argv.slice(2);
const version = packageVersion();

try {
  await createCommand(version, args, (line) => runGate(line, version, say)).parseAsync(args, {
    from: "user",
  });
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has said it already; asking for help or the version is not an error.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  } else {
    const { text, exitCode } = explain(error);
    say(text);
    process.exitCode = exitCode;
  }
}
