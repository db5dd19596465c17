import { timerDelay } from "./timer-delay.ts";

/** Milliseconds passed before something of the owner's returned. */
export class TimeLimitError extends Error {
  static {
    TimeLimitError.prototype.name = "TimeLimitError";
  }
}

/**
 * Waits for a response, but no longer than `milliseconds`. What comes later, an error too, is heard by nobody.
 *
 * @throws TimeLimitError where it does not come in time; else what the response is rejected with
 */
export async function withTimeLimit<Value>(
  work: Value | PromiseLike<Value>,
  milliseconds: number,
): Promise<Value> {
  // Nothing to wait for, and so no timer to be set and cleared in each call.
  if (Object(work) !== work) return work;
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new TimeLimitError(`no response within ${milliseconds} ms`)),
      timerDelay(milliseconds),
    );
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
