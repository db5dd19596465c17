import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "./database.ts";
import { asUnavailable, isRolledBack } from "./machine-faults.ts";

const MAX_ATTEMPTS = 10;
/** Milliseconds after which nothing is begun again: whoever waits is better told. */
const RETRIED_FOR = 3_000;
const LONGEST_PAUSE = 20;

/**
 * Tells faults of the machine's from others, and runs a statement or a whole transaction again where nothing of it was
 * done for a reason that passes: it and another one waited for each other, or it waited for too long.
 */
export function guardDatabase(db: Database): Database {
  return {
    ...db,
    query: (text, values) => guarded(() => db.query(text, values)),
    transaction: (work, options) => guarded(() => db.transaction(work, options)),
    script: (text) => told(() => db.script(text)),
    maintain: (statement) => told(() => db.maintain(statement)),
  };
}

async function told(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    throw asUnavailable(error);
  }
}

async function guarded<Result>(run: () => Promise<Result>): Promise<Result> {
  const started = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      const tooLate = performance.now() - started > RETRIED_FOR;
      if (!isRolledBack(error) || attempt === MAX_ATTEMPTS || tooLate) throw asUnavailable(error);
      // Two that stood in each other's way do not begin again in step.
      await sleep(Math.random() * LONGEST_PAUSE);
    }
  }
}
