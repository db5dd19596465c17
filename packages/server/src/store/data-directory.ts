import { mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DatabaseSetupError } from "./database.ts";
import { lockDirectory } from "./directory-lock.ts";

/**
 * Makes the data directory, if it is missing, for its owner alone, and takes the exclusive lock on it.
 *
 * @returns a function that gives the lock back.
 * @throws {DatabaseSetupError} when another process holds the lock, or the directory cannot be made or written to.
 */
export async function takeDataDirectory(directory: string): Promise<() => Promise<void>> {
  try {
    await makeDirectory(resolve(directory));
    return await lockDirectory(directory);
  } catch (error) {
    if (codeOf(error) === undefined || !(error instanceof Error)) throw error;
    throw new DatabaseSetupError(
      `The data directory ${directory} cannot be used (${error.message}). Choose another one with LICENTRIC_DATA_DIR ` +
        "or --data-dir, or give this user the right to write there.",
      { cause: error },
    );
  }
}

/** Not `recursive`: where a parent takes no directories, as /proc, Node tries that for ever. */
async function makeDirectory(directory: string): Promise<void> {
  try {
    await makeOne(directory);
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || dirname(directory) === directory) throw error;
    await makeDirectory(dirname(directory));
    await makeOne(directory);
  }
}

async function makeOne(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

/** The code of an error of the file system's. */
function codeOf(error: unknown): unknown {
  return error instanceof Error && "syscall" in error && "code" in error ? error.code : undefined;
}
