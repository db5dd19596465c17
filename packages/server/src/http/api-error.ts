import { ERROR_STATUS, type ErrorCode } from "@licentric/contract";

/** An error that a caller is told of: a code, the status that goes with it, and a sentence that says what to do. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ErrorCode;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, details?: Record<string, unknown>) {
    super(message);
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return ERROR_STATUS[this.code];
  }
}

/** The answer for an id that does not exist in the caller's environment. */
export function notFound(resource: string, id: string): ApiError {
  return new ApiError(
    "NOT_FOUND",
    `No ${resource} has the id "${id}" here. Check the id, and that the key's mode (test or live) is right.`,
  );
}
