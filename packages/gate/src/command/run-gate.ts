import { once } from "node:events";
import { existsSync } from "node:fs";
import { TOKEN_VARIABLE } from "@licentric/mcp";
import { CONFIG_FILE, type GateConfig } from "../config/gate-config.ts";
import { type ConfigFile, readConfig, watchConfig } from "../config/watch-config.ts";
import { type Gate, startGate, startStdioGate } from "../start-gate.ts";
import { CommandError } from "./exit-codes.ts";
import { initConfig } from "./init.ts";
import { type CommandOptions, readUpstream, withArguments } from "./read-arguments.ts";

/** A command line that was read. */
export interface CommandLine {
  /** The words that stand there besides options. */
  readonly operands: readonly string[];
  /** True if they stand behind `--`. */
  readonly hasDashes: boolean;
  readonly options: CommandOptions;
}

/**
 * Does what a command line says, until it is done or the process is told to end.
 *
 * @param say - tells the owner a sentence
 * @throws CommandError where the command line is wrong, or the server is not there
 * @throws GateConfigError where the file is wrong
 */
export async function runGate(
  { operands, hasDashes, options }: CommandLine,
  version: string,
  say: (sentence: string) => void,
): Promise<void> {
  const named = readUpstream(operands, hasDashes);
  if (options.init) {
    const { upstream } = withArguments({}, named, options);
    if (upstream === undefined) throw new CommandError(`--init needs a server to ask. ${HOW}`);
    say(await initConfig(options.config ?? CONFIG_FILE, upstream, version));
    return;
  }
  const file = await findConfig(options.config);
  const merge = (config: GateConfig) => withArguments(config, named, options);
  const config = merge(file?.config ?? {});
  if (config.upstream === undefined)
    throw new CommandError(
      `There is no server to stand before: neither the command line nor a ${CONFIG_FILE} names one. ${HOW}`,
    );
  if (file === undefined)
    say(
      `There is no ${CONFIG_FILE} here: each tool needs an agent's token, and nothing is billed. --init writes one.`,
    );
  if (options.stdio) await runStdio(config, file, merge, say);
  else await runHttp(config, file, merge, say);
}

const HOW = "Give its command (licentric-gate -- uvx some-server) or its URL.";

async function findConfig(named: string | undefined): Promise<ConfigFile | undefined> {
  const path = named ?? CONFIG_FILE;
  if (named === undefined && !existsSync(path)) return undefined;
  if (!existsSync(path)) throw new CommandError(`There is no ${path}. --init writes one.`);
  return readConfig(path);
}

type Merge = (config: GateConfig) => GateConfig;
type Say = (sentence: string) => void;

async function runStdio(
  config: GateConfig,
  file: ConfigFile | undefined,
  merge: Merge,
  say: Say,
): Promise<void> {
  // Set and empty is how a shell or a compose file says that it has none.
  const token = process.env[TOKEN_VARIABLE] || undefined;
  const gate = startStdioGate({ ...config, say }, token);
  const stop = follow(file, gate, merge, say);
  try {
    await gate.closed;
  } finally {
    stop();
  }
}

async function runHttp(
  config: GateConfig,
  file: ConfigFile | undefined,
  merge: Merge,
  say: Say,
): Promise<void> {
  const gate = await startGate({ ...config, say });
  const stop = follow(file, gate, merge, say);
  say(`Agents call ${gate.url}. It stands before ${shown(config)}.`);
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  stop();
  await gate.close();
}

/** Takes up what the file says when it changes. */
function follow(
  file: ConfigFile | undefined,
  gate: Pick<Gate, "change">,
  merge: Merge,
  say: Say,
): () => void {
  if (file === undefined) return () => undefined;
  return watchConfig(file, {
    changed(config) {
      const later = gate.change(merge(config));
      const rest = later.length === 0 ? "" : ` Restart the gate to take up ${later.join(", ")}.`;
      say(`${file.path} has changed and was taken up.${rest}`);
    },
    refused(error) {
      const reason = error instanceof Error ? error.message : String(error);
      say(`${file.path} has changed and was not taken up: what it said before stays in force.\n${reason}`);
    },
  });
}

function shown({ upstream }: GateConfig): string {
  if (upstream === undefined) return "nothing";
  if (!("url" in upstream)) return [upstream.command, ...(upstream.args ?? [])].join(" ");
  // A URL may hold a password, or a key in its query.
  const { origin, pathname } = new URL(upstream.url);
  return origin + pathname;
}
