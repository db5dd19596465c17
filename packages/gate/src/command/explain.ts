import { GateConfigError } from "../config/parse-config.ts";
import { UpstreamError } from "../upstream/upstream-error.ts";
import { CommandError, EXIT, type ExitCode } from "./exit-codes.ts";

/** A failure as the terminal is told it. */
export interface Explanation {
  readonly text: string;
  readonly exitCode: ExitCode;
}

/** Explains an error: one that was foreseen by its message; any other by where it happened, so that it can be reported. */
export function explain(error: unknown): Explanation {
  if (error instanceof CommandError) return { text: error.message, exitCode: error.exitCode };
  if (error instanceof GateConfigError) return { text: error.message, exitCode: EXIT.usage };
  if (error instanceof UpstreamError) return { text: error.message, exitCode: EXIT.unreachable };
  if (!(error instanceof Error)) return { text: `unexpected error. ${String(error)}`, exitCode: EXIT.error };
  // The client's, of a base URL that is none.
  if (error.name === "LicentricError") return { text: error.message, exitCode: EXIT.usage };
  const sentence = "code" in error ? LISTEN_ERRORS[String(error.code)] : undefined;
  if (sentence !== undefined) return { text: `${sentence} (${error.message})`, exitCode: EXIT.error };
  return { text: `unexpected error. ${error.stack ?? error.message}`, exitCode: EXIT.error };
}

const LISTEN_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: "Something else listens on this port: give another one with --port.",
  EADDRNOTAVAIL: "This machine does not have the address: give another one with --host.",
  EACCES: "This user may not do that.",
};
