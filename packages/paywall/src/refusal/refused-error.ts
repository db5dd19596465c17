import type { Refusal, RefusalCode } from "./refusal.ts";
import { refusalHeaders } from "./refusal-headers.ts";

/** Errors of calls for which the API may have recorded usage all the same. */
const inDoubt = new WeakSet<RefusedError>();

/** Makes the error of a call that was refused although the API may have recorded usage for it. */
export function refusedInDoubt(refusal: Refusal): RefusedError {
  const error = new RefusedError(refusal);
  inDoubt.add(error);
  return error;
}

/** Returns whether the API may have recorded usage for the call that an error refused. */
export function mayBeRecorded(error: unknown): boolean {
  return error instanceof RefusedError && inDoubt.has(error);
}

/** Thrown for a call that was refused. Its message is a sentence that a model can act on and a person can read. */
export class RefusedError extends Error {
  /** The refusal. */
  readonly refusal: Refusal;

  static {
    RefusedError.prototype.name = "RefusedError";
  }

  /** @param refusal - why the call was refused */
  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }

  /** The reason, to branch on. */
  get code(): RefusalCode {
    return this.refusal.code;
  }

  /** The HTTP status that means the same. */
  get status(): number {
    return this.refusal.status;
  }

  /** Seconds to wait before the same call can pass; undefined where that is not known, or waiting does not help. */
  get retryAfter(): number | undefined {
    return this.refusal.retryAfter;
  }

  /** The headers of an HTTP response with {@link RefusedError.status}: `www-authenticate`, `retry-after`. */
  get headers(): Readonly<Record<string, string>> {
    return refusalHeaders(this.refusal);
  }
}
