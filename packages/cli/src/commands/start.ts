import { Command, Option } from "commander";
import { type ConfigOptions, configOf, withListenOptions } from "../options.ts";
import { runApi } from "../run-api.ts";
import type { OutputOptions } from "../terminal/print.ts";

/** `licentric start`: the API for production; it makes no account and no key. */
export function startCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("start").addOption(new Option("--json", "print one line of JSON with the URL"));
  return withListenOptions(command).action(async (options: ConfigOptions & OutputOptions) => {
    await runApi(await configOf(options, env), ({ url }) => {
      process.stdout.write(options.json ? `${JSON.stringify({ url })}\n` : `Licentric API ${url}\n`);
      return undefined;
    });
  });
}
