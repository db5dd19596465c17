import type { GateConfig } from "../config/gate-config.ts";
import { CommandError } from "./exit-codes.ts";

type Upstream = NonNullable<GateConfig["upstream"]>;

/** The options of the command line. */
export interface CommandOptions {
  readonly config?: string;
  readonly init?: true;
  readonly stdio?: true;
  readonly host?: string;
  readonly port?: number;
  readonly header?: Readonly<Record<string, string>>;
}

/**
 * Returns the upstream that a command line names; undefined where it names none.
 *
 * @param operands - what stands there besides options
 * @throws CommandError where it is neither a URL nor a command behind `--`
 */
export function readUpstream(operands: readonly string[], hasDashes: boolean): Upstream | undefined {
  const [first, ...args] = operands;
  if (first === undefined) return undefined;
  if (/^https?:\/\//i.test(first)) {
    if (!URL.canParse(first)) throw new CommandError(`"${first}" is not a URL.`);
    if (args.length > 0) throw new CommandError(`Give one URL: there is ${args.join(" ")} behind it.`);
    return { url: first };
  }
  if (!hasDashes)
    throw new CommandError(
      `Put -- before the command of a server: licentric-gate -- ${operands.join(" ")}. A remote server is given by its URL.`,
    );
  return { command: first, ...(args.length > 0 && { args }) };
}

/**
 * Returns what the file says, with what the command line says over it.
 *
 * @throws CommandError where both together make no sense
 */
export function withArguments(
  config: GateConfig,
  upstream: Upstream | undefined,
  { host, port, header, stdio }: CommandOptions,
): GateConfig {
  if (stdio && (host !== undefined || port !== undefined))
    throw new CommandError("--stdio listens on no port: leave out --host and --port.");
  const before = upstream ?? config.upstream;
  if (header !== undefined && (before === undefined || !("url" in before)))
    throw new CommandError("--header is for a remote server: give its URL.");
  const whole =
    header !== undefined && before !== undefined && "url" in before
      ? { ...before, headers: { ...before.headers, ...header } }
      : before;
  return {
    ...config,
    ...(whole !== undefined && { upstream: whole }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
  };
}
