#!/usr/bin/env node
import { explain } from "./explain.ts";
import { createProgram } from "./program.ts";

try {
  await createProgram(process.env).parseAsync(process.argv);
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = 1;
}
