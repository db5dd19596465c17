import fs from "node:fs";
import { join } from "node:path";
import { loadTryLock, type TryLock } from "./file-locks.ts";
import { failedWith, JournalError } from "./journal-error.ts";

/** An exclusive lock on a directory; the operating system ends it with the process, however that dies. */
export interface DirectoryLock {
  /** Says whether the directory is where it was locked: it can be moved, or deleted, with the lock on it. */
  place(): "here" | "moved" | "deleted";
  release(): void;
}

/**
 * Locks a directory by its file `lock`, or returns undefined where another process, or another journal of this
 * process, holds it, or where the directory is gone.
 *
 * @throws {JournalError} `JOURNAL_UNSUPPORTED` where file locks do not work: no prebuilt binary for the platform,
 * or a file system without locks.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock | undefined> {
  const tryLock = loadTryLock();
  const path = join(directory, "lock");
  const file = openLock(path);
  if (file === undefined) return undefined;
  try {
    const locked = fs.fstatSync(file, { bigint: true });
    if (isLocked(tryLock, file, directory) && isAt(path, locked)) {
      return { place: () => placeOf(file, path, locked), release: () => fs.closeSync(file) };
    }
  } catch (error) {
    fs.closeSync(file);
    throw error;
  }
  fs.closeSync(file);
  return undefined;
}

function openLock(path: string): number | undefined {
  try {
    return fs.openSync(path, "a+", 0o600);
  } catch (error) {
    if (failedWith(error, "ENOENT")) return undefined;
    throw error;
  }
}

function isLocked(tryLock: TryLock, file: number, directory: string): boolean {
  try {
    return tryLock(file);
  } catch (error) {
    throw new JournalError(
      "JOURNAL_UNSUPPORTED",
      `the file system of ${directory} does not lock files; put the journal on a local disk`,
      { cause: error },
    );
  }
}

function placeOf(file: number, path: string, locked: fs.BigIntStats): ReturnType<DirectoryLock["place"]> {
  if (isAt(path, locked)) return "here";
  return fs.fstatSync(file).nlink === 0 ? "deleted" : "moved";
}

/** Another process may have locked, emptied and removed the directory between our opening and our locking. */
function isAt(path: string, { ino, dev }: fs.BigIntStats): boolean {
  const found = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
  return found !== undefined && found.ino === ino && found.dev === dev;
}
