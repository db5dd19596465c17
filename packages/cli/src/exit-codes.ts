/** The exit codes of the process. The table in the README says the same to users. */
export const EXIT = {
  ok: 0,
  /** Anything that has no code of its own. */
  error: 1,
  /** The command line, the configuration or what was sent is wrong. */
  usage: 2,
  /** No credential, a bad one, or one that may not do this. */
  denied: 3,
  notFound: 4,
  /** No answer came from the API or from the database; something else may have answered in the API's place. */
  unreachable: 5,
  /** The resource is in another state: a closed period, a paid invoice. */
  conflict: 6,
  /** The API cannot do it now: overload, a fault of its own or of Stripe's. The same command may succeed later. */
  unavailable: 7,
} as const;

/** One of {@link EXIT}. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A failure of the command line's own, with its sentence and the exit code that belongs to it. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The command line is wrong; the message says how to write it. */
export function usageError(message: string): CommandError {
  return new CommandError(message, EXIT.usage);
}
