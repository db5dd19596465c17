/** Options for a batcher. */
export interface BatcherOptions {
  /** Most items in one batch. */
  readonly maxItems: number;
  /** Batches that may be in flight at once. */
  readonly concurrency: number;
}

/**
 * Gathers what arrives while earlier batches are in flight and runs it as one: under load many callers share
 * one statement and one commit, and a lone caller never waits.
 *
 * @param run gets the items in the order in which they arrived and answers one outcome for each.
 * @returns a function that adds an item and resolves with its outcome. An outcome that is an `Error` rejects it;
 * when `run` rejects, so does every item of that batch.
 */
export function createBatcher<Item, Result>(
  run: (items: Item[]) => Promise<readonly (Result | Error)[]>,
  { maxItems, concurrency }: BatcherOptions,
): (item: Item) => Promise<Result> {
  interface Waiting {
    readonly item: Item;
    readonly resolve: (result: Result) => void;
    readonly reject: (error: unknown) => void;
  }
  let waiting: Waiting[] = [];
  let running = 0;
  let scheduled = false;

  const start = () => {
    scheduled = false;
    while (running < concurrency && waiting.length > 0) {
      const batch = waiting.slice(0, maxItems);
      waiting = waiting.slice(maxItems);
      running += 1;
      void settle(batch).finally(() => {
        running -= 1;
        schedule();
      });
    }
  };

  // Requests that arrive in one turn of the event loop share the first batch, too.
  const schedule = () => {
    if (scheduled || running >= concurrency || waiting.length === 0) return;
    scheduled = true;
    setImmediate(start);
  };

  const settle = async (batch: readonly Waiting[]) => {
    try {
      const outcomes = await run(batch.map(({ item }) => item));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index];
        if (outcome === undefined) reject(new Error("the batch has no outcome for this item"));
        else if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };

  return (item) =>
    new Promise<Result>((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      schedule();
    });
}
