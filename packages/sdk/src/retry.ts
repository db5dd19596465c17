/** First backoff in milliseconds; it doubles with each try. */
const BASE_DELAY = 500;

/** Longest backoff in milliseconds. */
const MAX_DELAY = 8_000;

/**
 * Returns true where another try may help after this status. With 408 and 425 the server did not take the
 * request; a 409 is repeated only where the server says when to come back.
 */
export function isRetryable(status: number, retryAfter: number | undefined): boolean {
  if (status === 409) return retryAfter !== undefined;
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

/**
 * Milliseconds to wait before try `attempt + 1` (0 is the first try): exponential with full jitter, so that
 * clients that failed together do not come back together. What the server asks for is waited in full, and the
 * jitter comes on top.
 */
export function retryDelay(attempt: number, retryAfter: number | undefined, random: () => number): number {
  if (retryAfter !== undefined) return retryAfter * 1_000 + random() * BASE_DELAY;
  return random() * Math.min(MAX_DELAY, BASE_DELAY * 2 ** attempt);
}

/**
 * Seconds that a `Retry-After` header asks for, given as seconds or as a date; undefined where it says nothing
 * that can be read. A date is read against the server's own `Date`, so that a wrong local clock does no harm.
 */
export function parseRetryAfter(
  retryAfter: string | undefined,
  serverDate: string | undefined,
  now: number,
): number | undefined {
  if (retryAfter === undefined) return undefined;
  const text = retryAfter.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  // Only an HTTP date has a weekday; Date.parse alone would take "-1" for a year.
  if (!/^[A-Z][a-z]{2}/.test(text)) return undefined;
  const until = Date.parse(text);
  if (Number.isNaN(until)) return undefined;
  const parsed = Date.parse(serverDate ?? "");
  return Math.max(0, (until - (Number.isNaN(parsed) ? now : parsed)) / 1_000);
}
