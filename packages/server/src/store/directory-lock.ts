import { open } from "node:fs/promises";
import { join } from "node:path";
import { tryLock } from "fs-native-extensions";
import { DatabaseSetupError } from "./database.ts";

/**
 * Takes the exclusive lock on a data directory. The operating system holds it for this process and drops it when
 * the process ends in any way, so a crash never leaves a stale lock behind.
 *
 * @returns a function that gives the lock back.
 * @throws {DatabaseSetupError} when another process holds it: two processes would ruin the files.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const file = await open(join(directory, "lock"), "a+", 0o600);
  if (!tryLock(file.fd)) {
    await file.close();
    throw new DatabaseSetupError(
      `The data directory ${directory} is open in another process. Stop that one first, choose another directory, ` +
        "or set DATABASE_URL: several processes can share one PostgreSQL.",
    );
  }
  return () => file.close();
}
