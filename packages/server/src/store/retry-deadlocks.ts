import { sqlState } from "./database.ts";

const DEADLOCK = "40P01";
const MAX_ATTEMPTS = 10;

/**
 * Runs a statement or a whole transaction, again where the database ended it because it and another one waited for
 * each other: nothing of it was done.
 */
export async function retryDeadlocks<Result>(run: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      if (sqlState(error) !== DEADLOCK || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}
