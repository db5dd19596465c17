import type { Config } from "@licentric/server";
import { Command, Option } from "commander";
import { loadDevelopmentVariables } from "../development.ts";
import type { Check } from "../doctor/check.ts";
import { checkApi } from "../doctor/check-api.ts";
import { checkDatabase } from "../doctor/check-database.ts";
import { checkPayers } from "../doctor/check-payers.ts";
import { checkStripe } from "../doctor/check-stripe.ts";
import { checkTimeZones } from "../doctor/check-time-zones.ts";
import { EXIT } from "../exit-codes.ts";
import { type ConfigOptions, configOf, withDatabaseOptions } from "../options.ts";
import { type OutputOptions, print } from "../terminal/print.ts";
import { withProgress } from "../terminal/progress.ts";
import { type Style, styled, visible } from "../terminal/style.ts";

/** `licentric doctor`: looks at everything that can be set up wrong, and changes nothing. */
export function doctorCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("doctor").addOption(
    new Option("--json", "print what was found, as one JSON document"),
  );
  return withDatabaseOptions(command).action(async (options: ConfigOptions & OutputOptions) => {
    const checks = await withProgress("looking", () => examine(options, env));
    const ok = checks.every(({ status }) => status !== "failed");
    print(options, { ok, checks }, () => checks.map(checkView).join(""));
    if (!ok) process.exitCode = EXIT.error;
  });
}

async function examine(options: ConfigOptions, env: NodeJS.ProcessEnv): Promise<Check[]> {
  await loadDevelopmentVariables(env);
  const ofApi = await checkApi(env);
  let config: Config;
  try {
    config = await configOf(options, env);
  } catch (error) {
    // What is wrong with the server's own variables is a finding, not the end of the look.
    if (!(error instanceof Error && error.name === "ConfigError")) throw error;
    return [...ofApi, { name: "configuration", status: "failed", message: error.message }];
  }
  const ofDatabase = await checkDatabase(config);
  const usable = ofDatabase.status === "ok";
  return [
    ...ofApi,
    ofDatabase,
    ...(usable ? await checkTimeZones(config) : []),
    await checkStripe(config, env["LICENTRIC_API_KEY"], env["LICENTRIC_BASE_URL"]),
    ...(ofApi.every(({ status }) => status !== "failed")
      ? await checkPayers(config, env["LICENTRIC_API_KEY"])
      : []),
  ];
}

const SIGNS: Readonly<Record<Check["status"], readonly [sign: string, style: Style]>> = {
  ok: ["✓", "green"],
  warning: ["!", "yellow"],
  failed: ["✗", "red"],
  skipped: ["-", "dim"],
};

function checkView({ name, status, message, advice }: Check): string {
  const [sign, style] = SIGNS[status];
  const lines = message.split("\n").map(visible).join("\n  ");
  const todo = advice === undefined ? "" : `  ${styled("dim", `→ ${advice}`)}\n`;
  return `${styled(style, sign)} ${styled("bold", name)}: ${lines}\n${todo}`;
}
