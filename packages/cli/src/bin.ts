#!/usr/bin/env node
import { CommanderError } from "commander";
import { EXIT } from "./exit-codes.ts";
import { explain } from "./explain.ts";
import { createProgram } from "./program.ts";

// `licentric usage events --all | head` closes the pipe before all is written: that is an end, and no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

try {
  await createProgram(process.env).parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has said it already; asking for help or the version is no error.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  } else {
    const { text, envelope, exitCode } = explain(error);
    process.stderr.write(process.argv.includes("--json") ? `${JSON.stringify(envelope)}\n` : `${text}\n`);
    process.exitCode = exitCode;
  }
}
