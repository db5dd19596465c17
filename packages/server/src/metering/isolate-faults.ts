import { InexactNumberError } from "../exact-integer.ts";
import { ApiError } from "../http/api-error.ts";
import { isFaultOfValues } from "../store/machine-faults.ts";

/**
 * Runs items that share one commit. Where the database refuses them because of one, that one does not take
 * the others with it: halving the batch finds it, and each half has a commit of its own. A fault that is not
 * an item's own, such as a lock that does not come or a disk that is full, ends all that is not done yet, at
 * once.
 *
 * @param explain makes the outcome of the one that is refused.
 */
export async function isolateFaults<Item, Result>(
  items: readonly Item[],
  run: (items: readonly Item[]) => Promise<(Result | Error)[]>,
  explain: (error: unknown, item: Item) => Error,
): Promise<(Result | Error)[]> {
  const outcomes: (Result | Error)[] = [];
  // In their order, so that what is done is always the beginning.
  let parts: (readonly Item[])[] = [items];
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    try {
      outcomes.push(...(await run(part)));
    } catch (error) {
      const [first] = part;
      if (!isItemsOwn(error) || first === undefined) {
        if (outcomes.length === 0) throw error;
        const fault = error instanceof Error ? error : new Error(String(error));
        return [...outcomes, ...items.slice(outcomes.length).map(() => fault)];
      }
      const middle = part.length >> 1;
      if (middle === 0) outcomes.push(explain(error, first));
      else parts = [part.slice(0, middle), part.slice(middle), ...parts];
    }
  }
  return outcomes;
}

/** Checks whether an error is one item's fault: without that item, the batch would not have failed so. */
function isItemsOwn(error: unknown): boolean {
  return isFaultOfValues(error) || error instanceof ApiError || error instanceof InexactNumberError;
}
