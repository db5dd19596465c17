import { setTimeout as sleep } from "node:timers/promises";

/**
 * Looks again and again until what is looked for is there.
 *
 * @throws {Error} after `limit` milliseconds
 */
export async function until(
  what: string,
  isThere: () => boolean | Promise<boolean>,
  limit = 30_000,
): Promise<void> {
  const end = performance.now() + limit;
  while (!(await isThere())) {
    if (performance.now() > end) throw new Error(`after ${limit} ms, still not: ${what}`);
    await sleep(20);
  }
}
