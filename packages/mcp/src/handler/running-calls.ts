import { AsyncLocalStorage } from "node:async_hooks";
import type { RunningCall } from "@licentric/paywall/adapter";

/** A call whose handler runs, and the signal of the context that the handler got. */
export interface CallInTime {
  readonly call: RunningCall;
  readonly signal: AbortSignal | undefined;
}

/** Knows which call runs: in whose time something runs, and what runs by a signal. */
export interface RunningCalls {
  /** Runs a handler in the time of its call. */
  within(inTime: CallInTime, run: () => unknown): Promise<unknown>;
  /** Runs what begins in no call's time, wherever it was asked for from. */
  outside<Value>(run: () => Value): Value;
  /** The call in whose time this runs. */
  here(): CallInTime | undefined;
  /** The calls whose handlers run by a signal, innermost last, or the last that ran; undefined where there was none. */
  by(signal: AbortSignal): readonly RunningCall[] | undefined;
}

/** Makes the running calls of one paywall. */
export function createRunningCalls(): RunningCalls {
  const time = new AsyncLocalStorage<CallInTime | undefined>();
  const bySignal = new WeakMap<AbortSignal, { readonly running: RunningCall[]; last: RunningCall }>();

  function begin({ call, signal }: CallInTime): () => void {
    if (signal === undefined) return () => undefined;
    const calls = bySignal.get(signal) ?? { running: [], last: call };
    bySignal.set(signal, calls);
    calls.running.push(call);
    calls.last = call;
    return () => void calls.running.splice(calls.running.lastIndexOf(call), 1);
  }

  return {
    async within(inTime, run) {
      const end = begin(inTime);
      try {
        return await time.run(inTime, run);
      } finally {
        end();
      }
    },
    outside: (run) => time.run(undefined, run),
    here: () => time.getStore(),
    by(signal) {
      const calls = bySignal.get(signal);
      if (calls === undefined) return undefined;
      // A call is entered again where several guards stand before its handler, and for what it pays for.
      return calls.running.length === 0 ? [calls.last] : [...new Set(calls.running)];
    },
  };
}
