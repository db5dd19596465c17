#!/usr/bin/env node
import { CommanderError } from "commander";
import { CommandError, EXIT } from "./exit-codes.ts";
import { type Explanation, explainOwn } from "./explanation.ts";
import { createProgram, loadCommandOf } from "./program.ts";

// `licentric usage events --all | head` closes the pipe before all is written: that is an end, and no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

try {
  const commands = await loadCommandOf(process.argv.slice(2));
  await createProgram(process.env, commands).parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has said it already; asking for help or the version is not an error.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  } else {
    const { text, envelope, exitCode } = await explained(error);
    process.stderr.write(process.argv.includes("--json") ? `${JSON.stringify(envelope)}\n` : `${text}\n`);
    process.exitCode = exitCode;
  }
}

/** The client, whose errors are explained, is loaded only where its errors can be. */
async function explained(error: unknown): Promise<Explanation> {
  if (error instanceof CommandError) return explainOwn(error);
  const { explain } = await import("./explain.ts");
  return explain(error);
}
