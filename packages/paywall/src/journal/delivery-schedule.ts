import { timerDelay } from "../util/timer-delay.ts";
import { DiskError, type JournalFailure } from "./delivery.ts";

/** The longest pause that the API may ask for: it may be back long before, and nobody else would notice. */
const LONGEST_RETRY_AFTER = 300_000;

/** The parts of a schedule that come from outside. Times are in milliseconds. */
export interface DeliveryScheduleOptions {
  /** Delivers what waits. @throws where it could not. */
  readonly deliver: () => Promise<void>;
  /** The first and the longest pause after a failed delivery: they double from one to the other. */
  readonly retryDelay: { readonly first: number; readonly longest: number };
  /** The pause that an error asks for. */
  readonly retryAfter: ((error: unknown) => number | undefined) | undefined;
  /** A number from 0 to 1 that spreads retries. */
  readonly random: () => number;
  readonly onFailed: (failure: JournalFailure) => void;
  /** Called after each delivery that succeeded: the moment to plan the next. */
  readonly onSucceeded: () => void;
}

/** When the next delivery begins: one at a time, and after a failure not before a pause. Its timers keep no process alive. */
export interface DeliverySchedule {
  /** Delivers after `delay` milliseconds, or sooner where that is planned already. */
  plan(delay: number): void;
  /** Delivers now, or waits for the delivery that is in progress. @throws what it threw; the next one is planned. */
  run(): Promise<void>;
  /** Returns whether the next delivery need not be planned: it is in progress, or waits for the end of a pause. */
  isUnderWay(): boolean;
  /** Resolves when no delivery is in progress. */
  idle(): Promise<void>;
  /** Failed deliveries since the last that succeeded. */
  failedAttempts(): number;
  /** Milliseconds of the last pause. */
  retryIn(): number;
  /** Plans nothing more. */
  stop(): void;
}

/** Makes the schedule of a journal's deliveries. */
export function createDeliverySchedule(options: DeliveryScheduleOptions): DeliverySchedule {
  let failedAttempts = 0;
  let retryIn = 0;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let dueAt = Number.POSITIVE_INFINITY;
  let isStopped = false;

  function plan(delay: number): void {
    const at = performance.now() + delay;
    if (isStopped || at >= dueAt) return;
    clearTimeout(timer);
    dueAt = at;
    // A failure was reported, and the next attempt planned, by failed().
    timer = setTimeout(() => run().catch(() => undefined), timerDelay(delay)).unref();
  }

  function run(): Promise<void> {
    clearTimeout(timer);
    dueAt = Number.POSITIVE_INFINITY;
    running ??= options
      .deliver()
      .then(succeeded, failed)
      .finally(() => {
        running = undefined;
      });
    return running;
  }

  function succeeded(): void {
    failedAttempts = 0;
    options.onSucceeded();
  }

  function failed(error: unknown): never {
    failedAttempts++;
    retryIn = pauseAfter(error, failedAttempts, options);
    if (error instanceof DiskError) options.onFailed({ reason: "disk", error: error.cause });
    else options.onFailed({ reason: "unavailable", error, attempt: failedAttempts, retryIn });
    plan(retryIn);
    throw error;
  }

  return {
    plan,
    run,
    isUnderWay: () => failedAttempts > 0 || running !== undefined,
    idle: async () => running?.catch(() => undefined),
    failedAttempts: () => failedAttempts,
    retryIn: () => retryIn,
    stop() {
      clearTimeout(timer);
      isStopped = true;
    },
  };
}

/** Half of it fixed, so that it never spins; half by chance, so that processes do not return in step. */
function pauseAfter(
  error: unknown,
  attempt: number,
  { retryDelay: { first, longest }, retryAfter, random }: DeliveryScheduleOptions,
): number {
  const ceiling = Math.min(longest, first * 2 ** Math.min(attempt - 1, 30));
  const asked = Math.min(retryAfter?.(error) ?? 0, LONGEST_RETRY_AFTER);
  return Math.max(ceiling * (0.5 + random() / 2), asked);
}
