import tab from "@bomb.sh/tab/commander";
import type { Command } from "commander";
import { COMPLETION_DESCRIPTION } from "../command-list.ts";

/**
 * Adds `licentric completion <shell>`, which prints the script for a shell, and the hidden `licentric complete`,
 * which the scripts ask. Added last: it reads the commands that are there.
 */
export function addCompletion(program: Command): void {
  tab(program, { completionCommandName: "completion" });
  const completion = program.commands.find((command) => command.name() === "completion");
  completion?.description(COMPLETION_DESCRIPTION);
}
