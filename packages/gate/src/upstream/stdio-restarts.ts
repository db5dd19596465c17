import { setTimeout as sleep } from "node:timers/promises";
import type { StdioProcess } from "./stdio-process.ts";
import { UpstreamError } from "./upstream-error.ts";

/** The parts that a process is started again by. */
export interface RestartParts {
  readonly start: () => StdioProcess;
  /** Brings a process that was started again to where the one before it was. */
  readonly shakeHands: (started: StdioProcess) => Promise<void>;
  readonly say: (sentence: string) => void;
  /** Called when it is no use to go on. */
  readonly onLost: () => void;
}

/** Keeps one process running. */
export interface Restarts {
  /**
   * Returns the process when it is ready, and starts it the first time.
   *
   * @throws UpstreamError where it cannot be kept running; the signal's reason
   */
  running(signal?: AbortSignal): Promise<StdioProcess>;
  /** Takes note that the process ended: it is started again, later each time. */
  onEnd(how: string): void;
  /** Takes note that the process answered: it works. */
  onResponse(): void;
  close(): void;
}

const FIRST_DELAY = 250;
const MAX_DELAY = 30_000;
/** Crashes, with no response between them, after which nobody starts it again. */
const MAX_CRASHES = 6;

/** Makes what keeps one process running. */
export function createRestarts(parts: RestartParts): Restarts {
  const { start, say, onLost } = parts;
  const over = new AbortController();
  let ready: Promise<StdioProcess> | undefined;
  let crashes = 0;
  let hasAnswered = false;

  const lose = (sentence: string) => {
    say(sentence);
    over.abort(gone());
    onLost();
  };
  return {
    async running(signal) {
      over.signal.throwIfAborted();
      ready ??= Promise.resolve(start());
      return signal === undefined ? ready : abortable(ready, signal);
    },
    onEnd(how) {
      if (over.signal.aborted) return;
      crashes += 1;
      if (!hasAnswered) return lose(`the upstream ended (${how}) before it had answered anything`);
      if (crashes >= MAX_CRASHES)
        return lose(`the upstream ended (${how}) ${crashes} times in a row: its session ends`);
      const delay = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** (crashes - 1));
      say(`the upstream ended (${how}) and is started again in ${delay} ms`);
      ready = startAgain(parts, delay, over.signal);
      ready.catch((error: unknown) => {
        // After what is said of the upstream's own, the next start is on its way.
        if (!(error instanceof UpstreamError)) lose(`the upstream cannot be started again: ${String(error)}`);
      });
    },
    onResponse() {
      crashes = 0;
      hasAnswered = true;
    },
    close: () => over.abort(gone()),
  };
}

async function startAgain(
  { start, shakeHands }: RestartParts,
  delay: number,
  signal: AbortSignal,
): Promise<StdioProcess> {
  await sleep(delay, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
  const started = start();
  try {
    await shakeHands(started);
  } catch (error) {
    // Ends it where it lives; its end starts the next one.
    void started.stop();
    throw error;
  }
  return started;
}

function gone(): UpstreamError {
  return new UpstreamError("The MCP server behind this gate is not running.", { endsSession: true });
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
