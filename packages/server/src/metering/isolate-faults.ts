import { sqlState } from "../store/database.ts";

/**
 * Runs items that share one commit. Where the database refuses them because of one, that one does not take the
 * others with it: halving the batch finds it, and each half has a commit of its own.
 *
 * @param explain makes the outcome of the one that is refused.
 */
export async function isolateFaults<Item, Result>(
  items: readonly Item[],
  run: (items: readonly Item[]) => Promise<(Result | Error)[]>,
  explain: (error: unknown, item: Item) => Error,
): Promise<(Result | Error)[]> {
  try {
    return await run(items);
  } catch (error) {
    const [first] = items;
    if (sqlState(error) === undefined || first === undefined) throw error;
    if (items.length === 1) return [explain(error, first)];
    const middle = items.length >> 1;
    const firstHalf = await isolateFaults(items.slice(0, middle), run, explain);
    return [...firstHalf, ...(await isolateFaults(items.slice(middle), run, explain))];
  }
}
