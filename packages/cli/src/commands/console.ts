import { CONSOLE_ROLES, type ConsoleRole } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { consoleLink } from "../console-link.ts";
import { duration } from "../parse.ts";
import { jsonOption, print } from "../terminal/print.ts";
import {
  printSecret,
  requireSecretReader,
  type SecretOptions,
  showSecretOption,
} from "../terminal/secret.ts";

interface ConsoleOptions extends SecretOptions {
  readonly role?: ConsoleRole;
  readonly expiresIn?: number;
  readonly name?: string;
}

/** `licentric console`: prints a link that opens the owner's console. */
export function consoleCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("console")
    .addOption(
      new Option("--role <role>", "what the console may do; full by default").choices(
        Object.keys(CONSOLE_ROLES),
      ),
    )
    .addOption(
      new Option("--expires-in <time>", "when its key ends: 15m, 8h, up to 30d; 12h by default").argParser(
        duration,
      ),
    )
    .option("--name <name>", "name of its key, as keys list shows it")
    .addOption(showSecretOption())
    .addOption(jsonOption())
    .action(async (options: ConsoleOptions) => {
      requireSecretReader(options);
      const { role, expiresIn, name } = options;
      const link = await callApi(env, "opening the console", (client) =>
        consoleLink(client, {
          ...(role && { role }),
          ...(expiresIn && { expiresIn }),
          ...(name && { name }),
        }),
      );
      if (options.json) return print(options, link, String);
      printSecret(options, link.url, "This link opens the console once, within a minute:");
    });
}
