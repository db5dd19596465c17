import { timerDelay } from "../util/timer-delay.ts";

/** Work that has begun and not ended yet. */
export interface InFlight {
  /** Runs something that {@link InFlight.end} waits for. */
  run<Value>(work: () => Promise<Value>): Promise<Value>;
  /** Waits until all has ended, for so many milliseconds at most. */
  end(timeout: number): Promise<void>;
}

/** Counts work in flight, so that what it still needs is not closed before it ends. */
export function createInFlight(): InFlight {
  let count = 0;
  const waiting = new Set<() => void>();
  return {
    async run(work) {
      count += 1;
      try {
        return await work();
      } finally {
        count -= 1;
        if (count === 0) for (const tell of waiting) tell();
      }
    },
    async end(timeout) {
      if (count === 0) return;
      await new Promise<void>((resolve) => {
        const tell = () => {
          clearTimeout(tooLong);
          waiting.delete(tell);
          resolve();
        };
        const tooLong = setTimeout(tell, timerDelay(timeout));
        waiting.add(tell);
      });
    },
  };
}
