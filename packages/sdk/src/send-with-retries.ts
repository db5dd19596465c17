import { platform } from "#platform";
import { type Answer, header } from "./answer.ts";
import { errorFromAnswer } from "./error-from-answer.ts";
import { type LicentricError, TimeoutError } from "./errors.ts";
import {
  type ClientConfig,
  checkBytes,
  checkMilliseconds,
  checkRetries,
  MAX_MILLISECONDS,
  type RequestOptions,
} from "./options.ts";
import { isRetryable, parseRetryAfter, retryDelay } from "./retry.ts";
import { isTransient } from "./transport/connection-error.ts";
import type { TextAnswer, Try } from "./transport/send.ts";
import { sleep } from "./transport/sleep.ts";
import type { Wire } from "./wire.ts";

/**
 * Milliseconds below which another try is none. Timers fire up to a millisecond early: without this, a try that the
 * deadline ended would be followed by one that no server could answer.
 */
const SHORTEST_TRY = 1;

/**
 * Sends a request until it succeeds, fails for good, or its retries or its time are used up.
 *
 * @throws the error of the last try
 */
export async function sendWithRetries(
  config: ClientConfig,
  wire: Wire,
  options: RequestOptions,
): Promise<TextAnswer & Answer> {
  const { signal } = options;
  if (signal) platform.allowManyListeners(signal);
  const timeout = checkMilliseconds("timeout", options.timeout ?? config.timeout);
  const deadline = checkMilliseconds(
    "deadline",
    options.deadline ?? config.deadline ?? Math.min(2 * timeout, MAX_MILLISECONDS),
  );
  const maxRetries = checkRetries(options.maxRetries ?? config.maxRetries);
  const maxBytes = checkBytes("maxResponseBytes", options.maxResponseBytes ?? config.maxResponseBytes);
  const end = performance.now() + deadline;

  for (let attempt = 0; ; attempt++) {
    const started = performance.now();
    const remaining = end - started;
    const limits = { timeout: Math.min(timeout, remaining), maxBytes, signal };
    const outcome = await attemptOnce(config, wire, limits);
    const took = `${Math.round(performance.now() - started)} ms, try ${attempt + 1} of ${maxRetries + 1}`;
    if ("text" in outcome) {
      config.logger?.debug(`${wire.what}: ${outcome.status} in ${took}${requestIdNote(outcome)}`);
      return { ...outcome, attempts: attempt + 1 };
    }
    const { error, retryAfter, retryable } = outcome;
    const summary = `${error.name}${error.status ? ` ${error.status}` : ""}${error.code ? ` ${error.code}` : ""}`;
    config.logger?.debug(`${wire.what}: ${summary} after ${took}`);
    if (!retryable || attempt >= maxRetries) throw error;
    const delay = retryDelay(attempt, retryAfter, Math.random);
    const noTimeAfter = (wait: number) => performance.now() + wait + SHORTEST_TRY > end;
    if (noTimeAfter(delay)) throw pastDeadline(error, deadline);
    config.logger?.warn(`${wire.what}: ${summary}; trying again in ${Math.round(delay)} ms`);
    await sleep(delay, signal);
    // A busy process wakes late.
    if (noTimeAfter(0)) throw pastDeadline(error, deadline);
  }
}

/** A timeout says which limit ended the call; any other error stays what it is. */
function pastDeadline(error: LicentricError, deadline: number): LicentricError {
  if (!(error instanceof TimeoutError)) return error;
  return new TimeoutError(
    `${error.message} The call's deadline of ${deadline} ms leaves no time for another try.`,
    {
      code: error.code,
      cause: error.cause,
    },
  );
}

interface Failure {
  readonly error: LicentricError;
  readonly retryAfter: number | undefined;
  readonly retryable: boolean;
}

async function attemptOnce(
  config: ClientConfig,
  wire: Wire,
  limits: Pick<Try, "timeout" | "maxBytes" | "signal">,
): Promise<TextAnswer | Failure> {
  let answer: TextAnswer;
  try {
    answer = await config.connection.send({
      method: wire.method,
      origin: config.baseUrl.origin,
      path: wire.path,
      headers: wire.headers,
      body: wire.body,
      ...limits,
    });
  } catch (error) {
    if (isTransient(error)) return { error, retryAfter: undefined, retryable: true };
    throw error;
  }
  if (answer.status >= 200 && answer.status < 300) return answer;
  const retryAfter = parseRetryAfter(header(answer, "retry-after"), header(answer, "date"), Date.now());
  return {
    error: errorFromAnswer(answer, wire.what, retryAfter),
    retryAfter,
    retryable: isRetryable(answer.status, retryAfter),
  };
}

const requestIdNote = (answer: TextAnswer): string => {
  const id = header(answer, "x-request-id");
  return id ? `, request ${id}` : "";
};
