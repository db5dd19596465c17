import { setTimeout as wait } from "node:timers/promises";
import { type Charge, isRefusal } from "./charge.ts";

/** Calls that have begun and are not billed to their end. */
export interface UnderWay {
  /** Begins calls. */
  readonly charge: Charge;
  /** Waits until all have ended, for so many milliseconds at most. */
  end(timeout: number): Promise<void>;
}

/** Counts the calls that a charge begins, so that what they still need is not closed under them. */
export function createUnderWay(charge: Charge): UnderWay {
  let count = 0;
  const waiting = new Set<() => void>();
  const leave = () => {
    count -= 1;
    if (count > 0) return;
    for (const tell of waiting) tell();
    waiting.clear();
  };
  return {
    async charge(call, policy) {
      count += 1;
      let left = false;
      const leaveOnce = () => {
        if (!left) leave();
        left = true;
      };
      try {
        const admission = await charge(call, policy);
        if (isRefusal(admission)) {
          leaveOnce();
          return admission;
        }
        return {
          caller: admission.caller,
          settle: (outcome) => admission.settle(outcome).finally(leaveOnce),
          resume() {
            const resumed = admission.resume();
            if (resumed && left) {
              count += 1;
              left = false;
            }
            return resumed;
          },
        };
      } catch (error) {
        leaveOnce();
        throw error;
      }
    },
    async end(timeout) {
      if (count === 0) return;
      const given = new AbortController();
      const ended = new Promise<void>((resolve) => waiting.add(resolve));
      const tooLong = wait(timeout, undefined, { signal: given.signal }).catch(() => undefined);
      await Promise.race([ended, tooLong]);
      given.abort();
    },
  };
}
