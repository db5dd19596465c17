import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import { failedWith, JournalError } from "./journal-error.ts";
import { decodeLine, encodeLine } from "./line.ts";
import { type Batch, type BatchLimits, countLines, readBatch } from "./read-batch.ts";

/** One file of events. */
export interface Segment {
  readonly sequence: number;
  readonly path: string;
  /** Bytes of whole, acknowledged lines. */
  size: number;
}

/**
 * One process's part of a journal: a directory of segments that this process holds the lock of. The process that
 * made it appends; after its death another one adopts and delivers it. It is never appended to twice, so a torn
 * tail stays where the crash left it.
 */
export interface SubJournal {
  readonly name: string;
  readonly directory: string;
  readonly lock: DirectoryLock;
  /** Oldest first. The last one is being written where the sub-journal is our own. */
  readonly segments: Segment[];
  /** The place where delivery goes on: an offset in the first segment. */
  offset: number;
  /** Events that are not delivered. */
  events: number;
}

const NAME = /^[0-9a-z]{9}-[0-9a-f]{12}$/;
const SEGMENT = /^(\d{8})\.log$/;

/** Makes and locks a new sub-journal, for this process to append to. */
export async function createSubJournal(directory: string, now: number): Promise<SubJournal> {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  // A neighbour looking for orphans may take the lock first and remove what looks empty: then another name.
  for (let attempt = 0; attempt < 10; attempt++) {
    // Names sort by age, so that orphans are delivered oldest first.
    const name = `${Math.trunc(now).toString(36).padStart(9, "0").slice(-9)}-${randomBytes(6).toString("hex")}`;
    const path = join(directory, name);
    fs.mkdirSync(path, { mode: 0o700 });
    const lock = await lockDirectory(path);
    if (lock) return { name, directory: path, lock, segments: [], offset: 0, events: 0 };
  }
  throw new JournalError("JOURNAL_UNSUPPORTED", `no file in ${directory} could be locked`);
}

/** The names of all sub-journals of a journal, oldest first, whoever holds them. */
export async function listSubJournals(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => NAME.test(name)).sort();
}

/** Takes over a sub-journal whose process is dead; undefined where somebody holds it. */
export async function adoptSubJournal(directory: string, name: string): Promise<SubJournal | undefined> {
  const path = join(directory, name);
  const lock = await lockDirectory(path);
  if (!lock) return undefined;
  try {
    const segments = await listSegments(path);
    const offset = await readDelivered(path, segments);
    const orphan: SubJournal = { name, directory: path, lock, segments, offset, events: 0 };
    for (const [index, segment] of segments.entries()) {
      orphan.events += await countLines(segment.path, index === 0 ? offset : 0, segment.size);
    }
    return orphan;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The error of a journal that is not where it was opened; undefined where it is. */
export function misplaced({ directory, lock }: Pick<SubJournal, "directory" | "lock">): Error | undefined {
  const place = lock.place();
  if (place === "here") return undefined;
  const journal = dirname(directory);
  return place === "moved"
    ? new Error(
        `the usage journal in ${journal} was moved while it is in use: put it back, or restart with its new place. Nothing ` +
          "in it is lost, and nothing more is written to it until then",
      )
    : new Error(`the usage journal in ${journal} was deleted while it is in use: restart to begin another`);
}

/** Bytes on disk that wait for delivery. */
export function pendingBytes(journal: SubJournal): number {
  let sum = -journal.offset;
  for (const { size } of journal.segments) sum += size;
  return sum;
}

/** The next events to deliver, with the segment they are in; undefined where everything is delivered. */
export async function nextBatch(
  journal: SubJournal,
  limits: Omit<BatchLimits, "end">,
): Promise<(Batch & { segment: Segment }) | undefined> {
  const [segment] = journal.segments;
  if (segment === undefined || pendingBytes(journal) === 0) return undefined;
  const batch = await readBatch(segment.path, journal.offset, { ...limits, end: segment.size });
  return { ...batch, segment };
}

/**
 * Notes that everything before `next` in the first segment is delivered, and deletes the segment when nothing more
 * comes in it. In memory it is noted at once; where the disk refuses, this throws, and after a crash the batch is
 * sent again under the same keys.
 */
export async function advance(journal: SubJournal, segment: Segment, batch: Batch): Promise<void> {
  journal.offset = batch.next;
  journal.events -= batch.lines;
  const more = journal.segments.length > 1;
  if (more && journal.offset >= segment.size) {
    journal.segments.shift();
    journal.offset = 0;
    await rm(segment.path, { force: true });
    return;
  }
  const path = join(journal.directory, "delivered");
  await writeFile(`${path}.new`, encodeLine({ sequence: segment.sequence, offset: batch.next }), {
    mode: 0o600,
  });
  await rename(`${path}.new`, path);
}

/**
 * Deletes the segment that is being written where all of it is delivered; returns whether it did. The writer then
 * begins another: a segment is never written from its start again, since `delivered` may still speak of it.
 */
export function dropDelivered(journal: SubJournal): boolean {
  const [segment, next] = journal.segments;
  if (segment === undefined || next !== undefined) return false;
  if (segment.size === 0 || journal.offset < segment.size) return false;
  fs.rmSync(segment.path, { force: true });
  journal.segments.shift();
  journal.offset = 0;
  return true;
}

/**
 * Gives a sub-journal up: deletes it when it is delivered, else leaves it for the next process.
 *
 * Everything is removed under the lock, the lock's own file last, and the directory only if it is empty then: its
 * maker may be about to lock it (see {@link createSubJournal}), and must either fail at that or keep its files.
 */
export async function releaseSubJournal(journal: SubJournal): Promise<void> {
  try {
    if (pendingBytes(journal) > 0) return;
    const names = [
      ...journal.segments.map(({ path }) => basename(path)),
      "delivered",
      "delivered.new",
      "lock",
    ];
    for (const name of names) await rm(join(journal.directory, name), { force: true });
  } finally {
    journal.lock.release();
  }
  try {
    await rmdir(journal.directory);
  } catch (error) {
    // Somebody else has it in hand by now, to use it or to remove it.
    if (!failedWith(error, "ENOENT", "ENOTEMPTY", "EEXIST", "EBUSY", "EPERM")) throw error;
  }
}

async function listSegments(directory: string): Promise<Segment[]> {
  const names = (await readdir(directory)).filter((name) => SEGMENT.test(name)).sort();
  return names.map((name) => {
    const path = join(directory, name);
    return { sequence: Number.parseInt(name, 10), path, size: fs.statSync(path).size };
  });
}

/** Reads how far the first segment was delivered: zero where nothing readable says so: sending again is harmless. */
async function readDelivered(directory: string, segments: readonly Segment[]): Promise<number> {
  const [first] = segments;
  const path = join(directory, "delivered");
  if (first === undefined || !fs.existsSync(path)) return 0;
  const bytes = await readFile(path);
  const record = decodeLine(bytes.subarray(0, -1));
  if (typeof record !== "object" || record === null) return 0;
  if (!("sequence" in record) || record.sequence !== first.sequence) return 0;
  if (!("offset" in record) || typeof record.offset !== "number") return 0;
  return Math.min(record.offset, first.size);
}

/** The file that the `sequence`th segment of a sub-journal is in. */
export function segmentPath(journal: SubJournal, sequence: number): string {
  return join(journal.directory, `${String(sequence).padStart(8, "0")}.log`);
}
