import { UpstreamError } from "../upstream/upstream-error.ts";

/** The requests that can be billed. */
const BILLABLE = new Set(["tools/call", "prompts/get", "resources/read"]);

/** A request that the upstream gave no response to: it passes through the guard, for which it has failed. */
export class LostRequestError extends Error {
  readonly #error: UpstreamError;
  #isBilled: boolean | undefined;

  constructor(error: UpstreamError) {
    super(error.message, { cause: error });
    this.name = "LostRequestError";
    this.#error = error;
  }

  /**
   * Returns the error that the client is told, with what it was billed. A repetition under the agent's key fails by the
   * error of the first one, and is told what that was billed.
   */
  told(method: string, isBilled: boolean): UpstreamError {
    const { message, http, endsSession, code } = this.#error;
    this.#isBilled ??= isBilled;
    if (!BILLABLE.has(method)) return this.#error;
    const bill = this.#isBilled
      ? "The call was billed, as it is charged for being made: another try is another call."
      : "The call was not billed.";
    return new UpstreamError(`${message} ${bill}`, { http, endsSession, code });
  }
}
