/** Something that runs again and again until it is closed. */
export interface Background {
  /** Runs no more, and waits for a run that is in progress. */
  close(): Promise<void>;
}

/**
 * Runs a task every `interval` milliseconds, counted from the end of the run before, so that runs never overlap.
 * One that fails is reported and runs again; it does not keep the process alive.
 */
export function runInBackground(
  task: () => Promise<void>,
  { interval, onError }: { readonly interval: number; readonly onError: (error: unknown) => void },
): Background {
  let closed = false;
  let running: Promise<void> = Promise.resolve();
  let timer = setTimeout(start, interval).unref();

  function start() {
    running = task()
      .catch(onError)
      .finally(() => {
        if (!closed) timer = setTimeout(start, interval).unref();
      });
  }

  return {
    close: async () => {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** Passes an error on, and the same one not again before `interval` milliseconds are over. */
export function oncePer(interval: number, onError: (error: unknown) => void): (error: unknown) => void {
  let last = { message: "", at: Number.NEGATIVE_INFINITY };
  return (error) => {
    const message = error instanceof Error ? error.message : String(error);
    if (message === last.message && performance.now() - last.at < interval) return;
    last = { message, at: performance.now() };
    onError(error);
  };
}
