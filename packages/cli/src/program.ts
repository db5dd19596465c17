import { Command } from "commander";
import { devCommand } from "./commands/dev.ts";
import { keysCommand } from "./commands/keys.ts";
import { startCommand } from "./commands/start.ts";

/** The whole command line. Every option that has an environment variable reads it from `env`. */
export function createProgram(env: NodeJS.ProcessEnv): Command {
  return new Command("licentric")
    .description("Charge for MCP tools: run the API, create keys, bill the month.")
    .showHelpAfterError("Run with --help to see what there is.")
    .addCommand(devCommand(env))
    .addCommand(startCommand(env))
    .addCommand(keysCommand(env));
}
