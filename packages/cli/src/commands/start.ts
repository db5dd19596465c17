import { Command } from "commander";
import { type ListenOptions, listenOptions } from "../options.ts";
import { runApi } from "../run-api.ts";

/** `licentric start`: the API for production; it makes no account and no key. */
export function startCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("start").description(
    "run the API; stops on SIGTERM after every request under way is answered",
  );
  for (const option of listenOptions()) command.addOption(option);
  return command.action(async (options: ListenOptions) => {
    await runApi(options, env, ({ url }) => {
      process.stdout.write(`Licentric API ${url}\n`);
    });
  });
}
