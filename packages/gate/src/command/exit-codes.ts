/** The exit codes of the process, which mean what they do for `licentric`. */
export const EXIT = {
  ok: 0,
  /** Anything that has no code of its own. */
  error: 1,
  /** The command line or the file is wrong. */
  usage: 2,
  /** The server that the gate stands before is not there. */
  unreachable: 5,
} as const;

/** One of {@link EXIT}. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A failure with its sentence and the exit code that belongs to it. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = EXIT.usage) {
    super(message);
    this.exitCode = exitCode;
  }
}
