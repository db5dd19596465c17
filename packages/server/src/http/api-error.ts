import { ERROR_STATUS, type ErrorCode } from "@licentric/contract";

/** The reason for which a credential does not let its holder in, for the log and the metrics. */
export type SignInFault =
  | "missing"
  | "malformed"
  | "wrong-kind"
  | "unknown"
  | "revoked"
  | "expired"
  | "suspended"
  | "deleted";

/** An error that a caller is told of: a code, the status that goes with it, and a sentence that says what to do. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ErrorCode;
  readonly details: Record<string, unknown> | undefined;
  /** Of `UNAUTHORIZED`, the reason, which is not in the answer. */
  readonly signInFault: SignInFault | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    details?: Record<string, unknown>,
    signInFault?: SignInFault,
  ) {
    super(message);
    this.code = code;
    this.details = details;
    this.signInFault = signInFault;
  }

  get status(): number {
    return ERROR_STATUS[this.code];
  }
}

/** The error for a credential that does not let its holder in. */
export function unauthorized(
  fault: SignInFault,
  message: string,
  details?: Record<string, unknown>,
): ApiError {
  return new ApiError("UNAUTHORIZED", message, details, fault);
}

/** The answer for an id that does not exist in the caller's environment. */
export function notFound(resource: string, id: string): ApiError {
  return new ApiError(
    "NOT_FOUND",
    `No ${resource} has the id "${id}" here. Check the id, and that the key's mode (test or live) is right.`,
  );
}
