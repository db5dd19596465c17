import fs from "node:fs";
import { promisify } from "node:util";
import { JournalError, messageOf } from "./journal-error.ts";
import { type Segment, type SubJournal, segmentPath } from "./sub-journal.ts";

const fdatasync = promisify(fs.fdatasync);

/**
 * What an acknowledged event survives:
 *
 * - `"process"`: the death of the process at any moment, kill -9 included. The bytes are with the operating system
 *   when `append` resolves; a power cut or a kernel crash can lose the last seconds.
 * - `"disk"`: that, and a power cut: every group of events is flushed with fdatasync before `append` resolves.
 */
export type Durability = "process" | "disk";

/** Appends lines to a sub-journal. */
export interface SegmentWriter {
  /** Resolves once the line is durable. @throws {JournalError} `JOURNAL_WRITE_FAILED`: nothing of it was taken. */
  append(line: Buffer): Promise<void>;
  /** Bytes that wait to be written. */
  queuedBytes(): number;
  /** Resolves when every line appended so far is written or refused. */
  idle(): Promise<void>;
  /** Closes the file. Call it when idle. */
  close(): void;
}

interface Waiting {
  readonly line: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: JournalError) => void;
}

/**
 * The writer of a sub-journal. Lines appended in one turn of the event loop, or while a flush is under way, share
 * one write.
 *
 * Writes are synchronous: a write to the page cache takes a few microseconds, one through the thread pool ten times
 * that, and the pool is where name look-ups hang when the network is away, which is when the journal must not.
 */
export function createSegmentWriter(
  journal: SubJournal,
  options: { durability: Durability; segmentBytes: number },
): SegmentWriter {
  let waiting: Waiting[] = [];
  let queuedBytes = 0;
  let working: Promise<void> | undefined;
  let file: number | undefined;
  let sequence = 0;
  let tornTail = false;

  function append(line: Buffer): Promise<void> {
    queuedBytes += line.length;
    working ??= nextTurn().then(writeAll);
    return new Promise((resolve, reject) => {
      waiting.push({ line, resolve, reject });
    });
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      const bytes = Buffer.concat(group.map(({ line }) => line));
      try {
        await write(bytes);
        journal.events += group.length;
        for (const { resolve } of group) resolve();
      } catch (error) {
        const refusal = writeFailed(journal, error);
        for (const { reject } of group) reject(refusal);
      } finally {
        queuedBytes -= bytes.length;
      }
    }
    working = undefined;
  }

  async function write(bytes: Buffer): Promise<void> {
    const { segment, descriptor } = await currentSegment();
    if (tornTail) cutTail(descriptor, segment);
    try {
      for (let written = 0; written < bytes.length; ) {
        written += fs.writeSync(descriptor, bytes, written, bytes.length - written, segment.size + written);
      }
      if (options.durability === "disk") await fdatasync(descriptor);
    } catch (error) {
      tornTail = true;
      cutTail(descriptor, segment);
      throw error;
    }
    segment.size += bytes.length;
  }

  /** Removes what a failed write left, so that it is neither delivered nor glued to the next line. */
  function cutTail(descriptor: number, segment: Segment): void {
    fs.ftruncateSync(descriptor, segment.size);
    tornTail = false;
  }

  async function currentSegment(): Promise<{ segment: Segment; descriptor: number }> {
    const current = journal.segments.at(-1);
    if (file !== undefined && current !== undefined && (tornTail || current.size < options.segmentBytes)) {
      return { segment: current, descriptor: file };
    }
    const path = segmentPath(journal, sequence + 1);
    const descriptor = fs.openSync(path, "w", 0o600);
    try {
      if (options.durability === "disk") await syncDirectory(journal.directory);
    } catch (error) {
      fs.closeSync(descriptor);
      throw error;
    }
    close();
    file = descriptor;
    sequence++;
    const segment = { sequence, path, size: 0 };
    journal.segments.push(segment);
    return { segment, descriptor };
  }

  async function idle(): Promise<void> {
    while (working !== undefined) await working;
  }

  function close(): void {
    if (file !== undefined) fs.closeSync(file);
    file = undefined;
  }

  return { append, queuedBytes: () => queuedBytes, idle, close };
}

/** Makes a directory's new entry survive a power cut. Windows has no such call, and needs none. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const directory = fs.openSync(path, "r");
  try {
    await promisify(fs.fsync)(directory);
  } finally {
    fs.closeSync(directory);
  }
}

/** The end of this turn of the event loop, when everything that arrived in it has been appended. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function writeFailed(journal: SubJournal, cause: unknown): JournalError {
  return new JournalError(
    "JOURNAL_WRITE_FAILED",
    `the usage journal in ${journal.directory} could not be written, so the event was not recorded: ` +
      `${messageOf(cause)}. Make room or restore the disk; the next event is tried again`,
    { cause },
  );
}
