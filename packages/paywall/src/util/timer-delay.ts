/** The longest delay that a timer takes, in milliseconds: some 25 days. A longer one would fire at once. */
const LONGEST = 2 ** 31 - 1;

/** A delay that a timer keeps: the delay itself, or the longest that there is. */
export function timerDelay(milliseconds: number): number {
  return Math.min(milliseconds, LONGEST);
}
