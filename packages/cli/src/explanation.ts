import type { CommandError, ExitCode } from "./exit-codes.ts";

/** An error as the command line reports it. */
export interface Explanation {
  readonly exitCode: ExitCode;
  /** For a person: the sentence, the request's id where there is one, and what to do next. */
  readonly text: string;
  /** For a program, in the form of the API's own error envelope. */
  readonly envelope: {
    readonly error: string;
    readonly code?: string;
    readonly status?: number;
    readonly requestId?: string;
    readonly details?: Readonly<Record<string, unknown>>;
  };
}

/** A failure of the command line's own: its sentence. */
export function explainOwn({ message, exitCode }: Pick<CommandError, "message" | "exitCode">): Explanation {
  return { exitCode, text: `licentric: ${message}`, envelope: { error: message } };
}
