/**
 * The kind of fault in a journal:
 *
 * - `JOURNAL_FULL`: the backlog has reached `maxBytes`; the event was not taken.
 * - `JOURNAL_WRITE_FAILED`: the file could not be written (disk full, read-only, gone); the event was not taken.
 * - `JOURNAL_CLOSED`: `close()` was called before; the event was not taken.
 * - `JOURNAL_INVALID_EVENT`: the event cannot be billed as it stands; it was not taken.
 * - `JOURNAL_DELIVERY_FAILED`: `flush()` could not deliver; the events stay on disk and are sent again later.
 * - `JOURNAL_UNSUPPORTED`: no file lock on this platform, or the options make no sense; the journal did not open.
 */
export type JournalErrorCode =
  | "JOURNAL_FULL"
  | "JOURNAL_WRITE_FAILED"
  | "JOURNAL_CLOSED"
  | "JOURNAL_INVALID_EVENT"
  | "JOURNAL_DELIVERY_FAILED"
  | "JOURNAL_UNSUPPORTED";

/**
 * A journal's refusal. Branch on `code`; where a system call failed, `cause` is its error.
 *
 * @example
 * ```ts
 * try {
 *   await journal.append(event);
 * } catch (error) {
 *   if (error instanceof JournalError && error.code === "JOURNAL_FULL") return deny();
 *   throw error;
 * }
 * ```
 */
export class JournalError extends Error {
  override readonly name = "JournalError";
  readonly code: JournalErrorCode;

  constructor(code: JournalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The refusal of a runtime that a journal in files cannot be kept on. */
export function unsupportedRuntime(name: string): JournalError {
  return new JournalError(
    "JOURNAL_UNSUPPORTED",
    `fileJournal keeps usage on a disk, under locks of the system that Node alone can take, and this runtime is ${name}. ` +
      'Leave metering at "request" and onUnavailable at "deny" here; if this is Node, bundle with the condition "node"',
  );
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Returns whether a system call failed with one of these codes, for example `ENOENT`. */
export function failedWith(error: unknown, ...codes: string[]): boolean {
  return (
    error instanceof Error && "code" in error && typeof error.code === "string" && codes.includes(error.code)
  );
}
