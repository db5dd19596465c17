import { Command, Option } from "commander";
import { createKeyInDatabase, ensureAccount } from "../first-account.ts";
import { type ListenOptions, listenOptions } from "../options.ts";
import { runApi } from "../run-api.ts";

interface DevOptions extends ListenOptions {
  readonly json?: true;
  readonly currency: string;
  readonly timeZone: string;
}

/** `licentric dev`: the API on this machine, with an account and a test key made at the first start. */
export function devCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("dev")
    .description("run the API here; the first start makes an account and prints its test key, once")
    .addOption(new Option("--json", "print one line of JSON with the URL and, at the first start, the key"))
    .addOption(new Option("--currency <code>", "currency of a new account").default("usd"))
    .addOption(
      new Option("--time-zone <name>", "time zone of a new account's billing months").default("UTC"),
    );
  for (const option of listenOptions()) command.addOption(option);

  return command.action(async (options: DevOptions) => {
    await runApi({ ...options, logLevel: "warn" }, env, async ({ url }, db) => {
      const { account, created } = await ensureAccount(db, {
        name: "My account",
        currency: options.currency,
        timeZone: options.timeZone,
      });
      // A key in a log file is a leak: it is printed to a person at a terminal, or to a program that asks for JSON.
      const show = options.json === true || process.stdout.isTTY;
      const key =
        created && show
          ? await createKeyInDatabase(db, account.id, { mode: "test", name: "first key" })
          : undefined;
      if (options.json)
        process.stdout.write(
          `${JSON.stringify({ url, accountId: account.id, ...(key && { apiKey: key }) })}\n`,
        );
      else process.stdout.write(greeting(url, key ?? (created ? "hidden" : "shown before")));
    });
  });
}

function greeting(url: string, key: string): string {
  return `\n  Licentric API  ${url}\n\n${keyLines(url, key)}\n  Stop with Ctrl+C.\n\n`;
}

function keyLines(url: string, key: string): string {
  switch (key) {
    case "shown before":
      return "  The key was shown at the first start. Another one, made with it:\n\n    LICENTRIC_API_KEY=… licentric keys create\n";
    case "hidden":
      return "  No key was made, for this is not a terminal. Stop, run `licentric keys create`, and start again,\n  or start with --json.\n";
    default:
      return `  This test key is shown this once; set both in your environment:\n\n    LICENTRIC_API_KEY=${key}\n    LICENTRIC_BASE_URL=${url}\n`;
  }
}
