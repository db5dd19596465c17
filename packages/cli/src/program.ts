import { Command } from "commander";
import { accountCommand } from "./commands/account.ts";
import { agentsCommand } from "./commands/agents.ts";
import { authorizeCommand } from "./commands/authorize.ts";
import { backupCommand, restoreCommand } from "./commands/backup.ts";
import { budgetsCommand } from "./commands/budgets.ts";
import { closeCommand } from "./commands/close.ts";
import { addCompletion } from "./commands/completion.ts";
import { credentialsCommand } from "./commands/credentials.ts";
import { customersCommand } from "./commands/customers.ts";
import { devCommand } from "./commands/dev.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { exportCommand } from "./commands/export.ts";
import { initCommand } from "./commands/init.ts";
import { invoiceCommand } from "./commands/invoice.ts";
import { keysCommand } from "./commands/keys.ts";
import { metersCommand } from "./commands/meters.ts";
import { periodCommand } from "./commands/period.ts";
import { startCommand } from "./commands/start.ts";
import { usageCommand } from "./commands/usage.ts";
import { webhooksCommand } from "./commands/webhooks.ts";
import { packageVersion } from "./package-directory.ts";

/** The whole command line. What has an environment variable is read from `env`. */
export function createProgram(env: NodeJS.ProcessEnv): Command {
  const program = new Command("licentric")
    .description("Charge for MCP tools: run the API, authorize agents, set prices, bill the month.")
    .version(packageVersion())
    .commandsGroup("Run the API:")
    .addCommand(devCommand(env))
    .addCommand(startCommand(env))
    .addCommand(backupCommand(env))
    .addCommand(restoreCommand(env))
    .commandsGroup("Agents and what they may do:")
    .addCommand(agentsCommand(env))
    .addCommand(authorizeCommand(env))
    .addCommand(credentialsCommand(env))
    .addCommand(budgetsCommand(env))
    .commandsGroup("Usage and money:")
    .addCommand(metersCommand(env))
    .addCommand(usageCommand(env))
    .addCommand(periodCommand(env))
    .addCommand(closeCommand(env))
    .addCommand(invoiceCommand(env))
    .addCommand(customersCommand(env))
    .addCommand(accountCommand(env))
    .addCommand(exportCommand(env))
    .commandsGroup("Setting up:")
    .helpCommand("help [command]", "show the help of a command")
    .addCommand(initCommand())
    .addCommand(keysCommand(env))
    .addCommand(webhooksCommand(env))
    .addCommand(doctorCommand(env));
  addCompletion(program);
  for (const command of [program, ...descendants(program)]) {
    command.exitOverride().showHelpAfterError("Run with --help to see what there is.");
  }
  return program;
}

/** Every command below one: what is set on a command does not reach those that were added to it. */
function descendants(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...descendants(child)]);
}
