import { Command, Option } from "commander";
import { prepareDevelopment } from "../dev/prepare-development.ts";
import { runProgram } from "../dev/run-program.ts";
import { callLine } from "../dev/show-call.ts";
import { variablesFile } from "../development.ts";
import { type AccountOptions, withAccountOptions } from "../first-account.ts";
import { type ConfigOptions, configOf, withListenOptions } from "../options.ts";
import { runApi } from "../run-api.ts";
import { styled } from "../terminal/style.ts";

interface DevOptions extends ConfigOptions, AccountOptions {
  readonly json?: true;
}

/** `licentric dev`: the API on this machine, with an account, a test key and an agent's token for what is developed. */
export function devCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("dev")
    .argument("[program...]", "after --: a program to run with the variables set; the API stops when it ends")
    .addOption(
      new Option("--json", "print one line of JSON with the URL, the key, the token and their file"),
    );
  return withAccountOptions(withListenOptions(command)).action(
    async (program: string[], options: DevOptions) => {
      const config = await configOf(
        { ...options, logLevel: options.logLevel ?? (env["LOG_LEVEL"] || "warn") },
        env,
      );
      const named = options.dataDir?.toString() ?? env["LICENTRIC_DATA_DIR"];
      const file = variablesFile("dataDirectory" in config.database ? named : undefined);
      let isReady = false;
      const onCall: typeof config.server.onCall = (call) => {
        if (isReady && !options.json) process.stdout.write(callLine(call));
      };
      await runApi({ ...config, server: { ...config.server, onCall } }, async ({ url }, db) => {
        const { accountId, variables } = await prepareDevelopment({ db, url, file, account: options });
        isReady = true;
        if (options.json) {
          const { LICENTRIC_API_KEY: apiKey, LICENTRIC_AGENT_TOKEN: agentToken } = variables;
          process.stdout.write(`${JSON.stringify({ url, accountId, apiKey, agentToken, envFile: file })}\n`);
        } else {
          const link = await linkFor(url, variables.LICENTRIC_API_KEY);
          process.stdout.write(greeting(url, file, link));
        }
        return program.length === 0 ? undefined : { ended: runProgram(program, { ...env, ...variables }) };
      });
    },
  );
}

/** A link that opens the console; on a terminal alone, as every secret. null where there is none to open. */
async function linkFor(baseUrl: string, apiKey: string): Promise<string | null> {
  const { consoleLink, hasConsole } = await import("../console-link.ts");
  if (!process.stdout.isTTY || !(await hasConsole())) return null;
  const { Licentric } = await import("@licentric/sdk");
  await using client = new Licentric({ apiKey, baseUrl });
  return (await consoleLink(client)).url;
}

function greeting(url: string, file: string, link: string | null): string {
  const reads =
    file === DEFAULT_FILE
      ? "Commands in this folder\n  read it by themselves; for programs of yours:"
      : "For programs of yours:";
  return `
  ${styled("bold", "Licentric API")}  ${url}
${link === null ? "" : CONSOLE(link)}
  A test key and an agent's token are in ${file}. ${reads}

    node --env-file=${file} server.mjs

  Stop with Ctrl+C. Calls are shown as they come.

`;
}

const CONSOLE = (link: string) =>
  `  ${styled("bold", "Console")}        ${link}
                 opens once, within a minute; afterwards: licentric console
`;

const DEFAULT_FILE = variablesFile(undefined);
