import { Command, Option } from "commander";
import {
  type AccountOptions,
  createKeyInDatabase,
  ensureAccount,
  withAccountOptions,
} from "../first-account.ts";
import { type ConfigOptions, configOf, withListenOptions } from "../options.ts";
import { runApi } from "../run-api.ts";
import { styled } from "../terminal/style.ts";

interface DevOptions extends ConfigOptions, AccountOptions {
  readonly json?: true;
}

/** `licentric dev`: the API on this machine, with an account and a test key made at the first start. */
export function devCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("dev").addOption(
    new Option("--json", "print one line of JSON with the URL and, at the first start, the key"),
  );
  return withAccountOptions(withListenOptions(command)).action(async (options: DevOptions) => {
    const config = await configOf(
      { ...options, logLevel: options.logLevel ?? (env["LOG_LEVEL"] || "warn") },
      env,
    );
    await runApi(config, async ({ url }, db) => {
      const { currency, timeZone } = options;
      const { account, created } = await ensureAccount(db, { name: "My account", currency, timeZone });
      // A key in a log file is a leak: it is printed to a person at a terminal, or to a program that asks for JSON.
      const show = options.json === true || process.stdout.isTTY;
      const made =
        created && show
          ? await createKeyInDatabase(db, account.id, { mode: "test", name: "first key" })
          : undefined;
      if (options.json) {
        const answer = { url, accountId: account.id, ...(made && { apiKey: made.key }) };
        process.stdout.write(`${JSON.stringify(answer)}\n`);
      } else {
        const key = made?.key ?? (created ? "hidden" : "shown before");
        process.stdout.write(greeting(url, key, options.dataDir?.toString()));
      }
    });
  });
}

function greeting(url: string, key: string, dataDir: string | undefined): string {
  return `\n  ${styled("bold", "Licentric API")}  ${url}\n\n${keyLines(url, key, dataDir)}\n  Stop with Ctrl+C.\n\n`;
}

function keyLines(url: string, key: string, dataDir: string | undefined): string {
  switch (key) {
    case "shown before":
      return "  The key was shown at the first start. Another one, made with it:\n\n    LICENTRIC_API_KEY=… licentric keys create\n";
    case "hidden":
      return `  No key was made, for this is not a terminal. Stop, run\n\n    licentric keys create --show-secret${dataDir === undefined ? "" : ` --data-dir ${dataDir}`}\n\n  and start again.\n`;
    default:
      return `  This test key is shown this once; set both in your environment:\n\n    export LICENTRIC_API_KEY=${key}\n    export LICENTRIC_BASE_URL=${url}\n`;
  }
}
