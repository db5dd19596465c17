import { chmod, mkdir, readdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DatabaseSetupError } from "./database.ts";
import { lockDirectory } from "./directory-lock.ts";
import { syncDirectory } from "./durable-files.ts";

/** All that the server keeps in a data directory, and the variables that `licentric dev` writes. */
const OWN = new Set([
  "env",
  "lock",
  "secret-key",
  "secret-key.partial",
  "probe",
  "pgdata",
  "pgdata.new",
  "pgdata.restoring",
]);

/**
 * Makes the data directory, if it is missing, and takes the exclusive lock on it. What is made is for its owner alone,
 * and a directory with nothing else in it is closed to others.
 *
 * @returns a function that gives the lock back.
 * @throws {DatabaseSetupError} when another process holds the lock, or the directory cannot be made or written to.
 */
export async function takeDataDirectory(directory: string): Promise<() => Promise<void>> {
  try {
    await makeDirectory(resolve(directory));
    await closeToOthers(directory);
    return await lockDirectory(directory);
  } catch (error) {
    throw codeOf(error) === undefined ? error : unusableDirectory(directory, error);
  }
}

/** The error of a directory that the file system refuses, with what to do. */
export function unusableDirectory(directory: string, error: unknown): DatabaseSetupError {
  const reason = error instanceof Error ? error.message : String(error);
  return new DatabaseSetupError(
    `The data directory ${directory} cannot be used (${reason}). Choose another one with LICENTRIC_DATA_DIR ` +
      "or --data-dir, or give this user the right to write there.",
    { cause: error },
  );
}

/** One that is shared with other things, or belongs to somebody else, stays as it is: what is made in it is closed. */
async function closeToOthers(directory: string): Promise<void> {
  const { mode, uid } = await stat(directory);
  if ((mode & 0o077) === 0 || uid !== process.getuid?.()) return;
  if ((await readdir(directory)).every((name) => OWN.has(name))) await chmod(directory, 0o700);
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
    if (codeOf(error) === "EEXIST") return;
    throw error;
  }
  try {
    await syncDirectory(dirname(directory));
  } catch (error) {
    // A directory may take entries of those who may not read it, and then cannot be synced by them.
    if (codeOf(error) !== "EACCES") throw error;
  }
}

/** The code of an error of the file system's. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && "syscall" in error && "code" in error ? error.code : undefined;
}
