import { mkdir, open, readdir, readFile, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import type { UsageRecordParams } from "@licentric/sdk";

/** A line of a dead-letter file. A paywall's journal writes it where the API refuses usage for good. */
export interface DeadLetter {
  /** The line as it is in its file. */
  readonly line: string;
  /** The refused event; undefined for bytes of a damaged journal and for a line that a crash has cut short. */
  readonly event: UsageRecordParams | undefined;
  /** The reason why the API refused it. */
  readonly error: string | undefined;
}

/** Files that a journal appends to, and those that an earlier attempt had taken over and not finished. */
const WAITING = ".jsonl";
const TAKEN = ".sending";

/**
 * Lists a journal's dead-letter files.
 *
 * @param directory - the journal's directory
 * @throws Error of the system where it cannot be read; a journal that has refused nothing has no files
 */
export async function deadLetterFiles(directory: string): Promise<string[]> {
  const folder = join(directory, "rejected");
  const entries = await readdir(folder).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    // The journal itself must be there: a misspelled directory is not an empty one.
    await readdir(directory);
    return [];
  });
  return entries
    .filter((name) => name.endsWith(WAITING) || name.endsWith(TAKEN))
    .sort()
    .map((name) => join(folder, name));
}

/** Reads what a dead-letter file holds from a byte on. */
export async function readDeadLetters(
  path: string,
  from = 0,
): Promise<{ readonly letters: DeadLetter[]; readonly size: number }> {
  const bytes = await readFile(path);
  const lines = bytes.subarray(from).toString("utf8").split("\n");
  return { letters: lines.filter((line) => line !== "").map(toDeadLetter), size: bytes.length };
}

/**
 * Takes a file over, so that the journal, which may be in use, begins another one.
 *
 * @returns its new path, or undefined where somebody else has just taken it
 */
export async function takeOver(path: string, stamp: string): Promise<string | undefined> {
  if (path.endsWith(TAKEN)) return path;
  const [subJournal] = basename(path).split(".");
  const taken = join(path, "..", `${subJournal}.${stamp}${TAKEN}`);
  return (await moved(path, taken)) ? taken : undefined;
}

/** Keeps what was refused once more, on disk before it resolves, where the next attempt finds it. */
export async function keepRefused(taken: string, stamp: string, lines: readonly string[]): Promise<string> {
  const [subJournal] = basename(taken).split(".");
  const path = join(taken, "..", `${subJournal}.${stamp}${WAITING}`);
  const file = await open(path, "a", 0o600);
  try {
    await file.appendFile(lines.map((line) => `${line}\n`).join(""));
    await file.datasync();
  } finally {
    await file.close();
  }
  await syncFolder(path);
  return path;
}

/** Puts a file aside whose events have all been answered. It is not removed: what is in it can be looked up. */
export async function putAside(taken: string): Promise<void> {
  const aside = join(taken, "..", "resent");
  await mkdir(aside, { recursive: true, mode: 0o700 });
  await moved(taken, join(aside, basename(taken, TAKEN) + WAITING));
  await syncFolder(taken);
}

function toDeadLetter(line: string): DeadLetter {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // Cut short by a crash: kept as it is.
    return { line, event: undefined, error: undefined };
  }
  const { event, error } = (typeof value === "object" && value !== null ? value : {}) as {
    event?: UsageRecordParams;
    error?: unknown;
  };
  // Without its key, usage that had been recorded after all would be recorded twice.
  const named = typeof event === "object" && event !== null && typeof event.idempotencyKey === "string";
  return { line, event: named ? event : undefined, error: typeof error === "string" ? error : undefined };
}

async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(join(path, ".."));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
