import { createPaywall, type Paywall } from "@licentric/mcp";
import { expandVariables } from "./config/expand-variables.ts";
import type { GateConfig } from "./config/gate-config.ts";
import type { FrontOptions, UpstreamOptions } from "./exchange.ts";
import { openHttpFront } from "./http/http-front.ts";
import { type ChangeableRules, createRules } from "./rules/create-rules.ts";
import { runStdioFront } from "./stdio-front.ts";

/** Options of a gate: what `licentric.gate.json` may say, and what only a program can. */
export interface GateOptions extends GateConfig {
  /** A paywall of your own, in place of `baseUrl`, `links`, `receipts` and `hideUncallable`. It stays yours to close. */
  readonly paywall?: Paywall;
  /** Is told what the owner should know, one sentence at a time; by default it is written to standard error. */
  readonly say?: (sentence: string) => void;
}

/** A gate that runs. */
export interface Gate {
  /** The endpoint that agents call, such as `http://127.0.0.1:8080/mcp`. */
  readonly url: string;
  /**
   * Takes up other prices. Calls that run end by those that they began with.
   *
   * @param config - what the gate is to do; all but prices and `requireToken` changes at the next start alone
   * @returns the names of what has changed and waits for the next start
   * @throws TypeError where a price is wrong: those from before stay in force
   */
  change(config: GateConfig): string[];
  /** Ends every session and every process that was started, settles what runs, and closes the connections to the API. */
  close(): Promise<void>;
}

/** The port of a gate that is told none. */
const DEFAULT_PORT = 8080;

/** The options that are taken up while a gate runs, and those of programs alone. */
const NOT_AT_START: readonly string[] = [
  "$schema",
  "tools",
  "prompts",
  "resources",
  "default",
  "requireToken",
  "paywall",
  "say",
];

/**
 * Starts a gate: a paid front for an MCP server in any language. Each call is verified and billed with its agent's token
 * before, or as, it is passed on.
 *
 * @param options - the upstream, prices, and where to listen
 * @throws TypeError where there is no upstream, or an option is wrong
 * @throws GateConfigError where a variable is not set that the upstream's headers or environment need
 * @throws Error where the upstream's command is not there, or the port is taken
 * @example
 * ```ts
 * import { startGate } from "@licentric/gate";
 *
 * const gate = await startGate({
 *   upstream: { command: "uvx", args: ["some-python-server"] },
 *   tools: { forecast: { meterName: "api_calls" } },
 *   port: 0,
 * });
 * console.log(gate.url);
 * await gate.close();
 * ```
 */
export async function startGate(options: GateOptions): Promise<Gate> {
  const { host, path, allowedHosts, allowedOrigins, port = DEFAULT_PORT } = options;
  let url: string | undefined;
  const parts = partsOf(options, () => options.publicUrl ?? url);
  const where = { port, host, path, allowedHosts, allowedOrigins };
  const front = await openHttpFront({ ...parts.front, ...where }).catch(async (error: unknown) => {
    await parts.close();
    throw error;
  });
  url = front.url;
  return {
    url,
    change: (config) => change(options, parts.rules, config),
    async close() {
      await front.close();
      await parts.close();
    },
  };
}

/** A gate on standard input and output. */
export interface StdioGate extends Pick<Gate, "change"> {
  /** Resolves when the client has closed them, and all is settled. */
  readonly closed: Promise<void>;
}

/** Starts a gate on standard input and output, for the agent whose token is given. */
export function startStdioGate(options: GateOptions, token: string | undefined): StdioGate {
  const parts = partsOf(options, () => undefined);
  const { stdin: input, stdout: output } = process;
  const closed = runStdioFront({ ...parts.front, token, input, output }).finally(parts.close);
  return { change: (config) => change(options, parts.rules, config), closed };
}

function partsOf(options: GateOptions, endpoint: () => string | undefined) {
  const { say = sayOnTerminal, limits } = options;
  const upstream = upstreamOf(options);
  const paywall = options.paywall ?? createPaywall(paywallOptions(options));
  const rules = createRules(paywall, options, endpoint);
  const front: FrontOptions = { upstream, rules, limits, say };
  const close = async (): Promise<void> => {
    if (options.paywall === undefined) await paywall.close();
  };
  return { rules, front, close };
}

function paywallOptions({ baseUrl, receipts, hideUncallable, links }: GateOptions) {
  return {
    ...(baseUrl !== undefined && { baseUrl }),
    ...(receipts !== undefined && { receipts }),
    ...(hideUncallable !== undefined && { hideUncallable }),
    ...(links !== undefined && { links }),
  };
}

function upstreamOf({ upstream }: GateConfig): UpstreamOptions {
  if (upstream === undefined)
    throw new TypeError(
      'startGate: there is no upstream: say what the gate stands before, such as { upstream: { command: "uvx", args: ["some-server"] } }',
    );
  const expanded = expandVariables(upstream, process.env);
  return "url" in expanded ? expanded : { ...expanded, args: expanded.args ?? [] };
}

function change(started: GateConfig, rules: ChangeableRules, config: GateConfig): string[] {
  rules.change(config);
  const before = new Map(Object.entries(started));
  const after = new Map(Object.entries(config));
  const isOther = (name: string) => JSON.stringify(before.get(name)) !== JSON.stringify(after.get(name));
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => !NOT_AT_START.includes(name) && isOther(name),
  );
}

function sayOnTerminal(sentence: string): void {
  process.stderr.write(`licentric-gate: ${sentence}\n`);
}
