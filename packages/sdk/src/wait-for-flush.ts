import { isDeepStrictEqual } from "node:util";
import type { MeterTotal } from "@licentric/contract";
import { LicentricError, TimeoutError } from "./errors.ts";
import { sleep } from "./transport/sleep.ts";

/** The usage that one meter counted. */
export type FlushTotal = Pick<MeterTotal, "meterName" | "quantity" | "eventCount">;

/** The progress of waiting for the flush. */
export interface FlushProgress {
  /** Milliseconds since the wait began. */
  readonly elapsed: number;
  /** Milliseconds for which the totals have stood still. */
  readonly quietFor: number;
  /** The totals as they were just read. */
  readonly totals: readonly FlushTotal[];
}

/** Options for how `closePeriod` waits for usage that the hosted service still buffers. */
export interface WaitForFlush {
  /**
   * Milliseconds for which the totals must stand still; 65,000 by default. It must be longer than the service's
   * flush interval (about a minute): then a flush lies within, and what was recorded before it is in the totals.
   */
  readonly quietFor?: number | undefined;
  /** Milliseconds between two readings; 5,000 by default. */
  readonly interval?: number | undefined;
  /** Milliseconds after which waiting ends with a `TimeoutError`; 600,000 by default. */
  readonly limit?: number | undefined;
  /** Told after every reading. */
  readonly onProgress?: ((progress: FlushProgress) => void) | undefined;
}

/**
 * Waits until totals stand still.
 *
 * @param read - reads the totals, or says that there is nothing to wait for
 * @throws TimeoutError after `limit`
 * @throws AbortError as soon as the signal fires
 */
export async function waitForFlush(
  { quietFor = 65_000, interval = 5_000, limit = 600_000, onProgress }: WaitForFlush,
  signal: AbortSignal | undefined,
  read: () => Promise<readonly FlushTotal[] | "flushed">,
): Promise<void> {
  if (!(interval > 0 && quietFor >= interval && limit > quietFor)) {
    throw new LicentricError(
      "waitForFlush must have interval > 0, quietFor at least as long as interval, and limit longer than quietFor.",
    );
  }
  const started = performance.now();
  let standing: { readonly since: number; readonly totals: readonly FlushTotal[] } | undefined;
  for (;;) {
    // Quiet time runs from the answer of the first equal reading to the question of the last: never too long.
    const asked = performance.now();
    const totals = await read();
    if (totals === "flushed") return;
    const answered = performance.now();
    if (standing === undefined || !isDeepStrictEqual(sorted(standing.totals), sorted(totals))) {
      standing = { since: answered, totals };
    }
    const quiet = Math.max(0, asked - standing.since);
    onProgress?.({ elapsed: answered - started, quietFor: quiet, totals });
    if (quiet >= quietFor) return;
    if (answered - started + interval > limit) {
      throw new TimeoutError(
        `The period's totals did not stand still for ${quietFor} ms within ${limit} ms: usage is still coming in. The period was not closed; stop the traffic, or give waitForFlush a longer limit.`,
      );
    }
    await sleep(interval, signal);
  }
}

const sorted = (totals: readonly FlushTotal[]): FlushTotal[] =>
  totals.toSorted((a, b) => (a.meterName < b.meterName ? -1 : 1));
