import fs from "node:fs";
import { promisify } from "node:util";
import { JournalError, messageOf } from "./journal-error.ts";
import { dropDelivered, misplaced, type Segment, type SubJournal, segmentPath } from "./sub-journal.ts";

/**
 * The fault that an acknowledged event survives:
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

/**
 * The writer of a sub-journal.
 *
 * Writes are synchronous: a write to the page cache takes a few microseconds, one through the thread pool ten times
 * that, and the pool is where name look-ups hang when the network is away, which is when the journal must not.
 */
export function createSegmentWriter(
  journal: SubJournal,
  options: { durability: Durability; segmentBytes: number },
): SegmentWriter {
  const file = createSegmentFile(journal, options.segmentBytes);
  return options.durability === "disk" ? flushedWriter(journal, file) : directWriter(journal, file);
}

/** Writes each line at once. */
function directWriter(journal: SubJournal, file: SegmentFile): SegmentWriter {
  const checkPlace = oncePerTurn(() => file.check());
  return {
    async append(line) {
      try {
        checkPlace();
        file.take(file.write(line));
        journal.events++;
      } catch (error) {
        throw writeFailed(journal, error);
      }
    },
    queuedBytes: () => 0,
    idle: async () => undefined,
    close: file.close,
  };
}

interface Waiting {
  readonly line: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: JournalError) => void;
}

/** Lines appended in one turn of the event loop, or while a flush is in progress, share one write and one flush. */
function flushedWriter(journal: SubJournal, file: SegmentFile): SegmentWriter {
  let waiting: Waiting[] = [];
  let queuedBytes = 0;
  let working: Promise<void> | undefined;

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      const bytes = Buffer.concat(group.map(({ line }) => line));
      try {
        await writeFlushed(bytes);
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

  async function writeFlushed(bytes: Buffer): Promise<void> {
    file.check();
    const written = file.write(bytes);
    try {
      await promisify(fs.fdatasync)(written.descriptor);
      if (written.segment.size === 0) await syncDirectory(journal.directory);
      // Delivery gives up a file that somebody deleted: what was meanwhile written to it would never be read.
      if (!journal.segments.includes(written.segment)) throw new Error(`${written.segment.path} was deleted`);
    } catch (error) {
      file.cutTail();
      throw error;
    }
    file.take(written);
  }

  return {
    append(line) {
      queuedBytes += line.length;
      working ??= nextTurn().then(writeAll);
      return new Promise((resolve, reject) => {
        waiting.push({ line, resolve, reject });
      });
    },
    queuedBytes: () => queuedBytes,
    async idle() {
      while (working !== undefined) await working;
    },
    close: file.close,
  };
}

/** Bytes that are in the newest segment and not taken yet: delivery does not see them. */
interface Written {
  readonly segment: Segment;
  readonly descriptor: number;
  readonly bytes: number;
}

/** The newest segment's file. One write at a time: it is taken, or its tail is cut, before the next. */
interface SegmentFile {
  /**
   * Looks whether the file is where it is looked for: moved or deleted, it would take what is written all the same, and
   * nobody would read that.
   *
   * @throws where it is not
   */
  check(): void;
  /** @throws the system's error; nothing of it is left. */
  write(bytes: Buffer): Written;
  /** Makes what was written part of the segment. */
  take(written: Written): void;
  /** Removes what was written and not taken, so that it is neither delivered nor glued to the next line. */
  cutTail(): void;
  close(): void;
}

/**
 * Does a check once in each turn of the event loop in which it is asked for, and again where it failed: what is not of
 * this process happens between turns as well as within one.
 */
function oncePerTurn(check: () => void): () => void {
  let isChecked = false;
  return () => {
    if (isChecked) return;
    check();
    isChecked = true;
    setImmediate(() => {
      isChecked = false;
    });
  };
}

function createSegmentFile(journal: SubJournal, segmentBytes: number): SegmentFile {
  let file: { readonly segment: Segment; readonly descriptor: number } | undefined;
  let sequence = 0;
  let tornTail = false;

  function check(): void {
    const elsewhere = misplaced(journal);
    if (elsewhere !== undefined) throw elsewhere;
    if (file === undefined || file.segment !== journal.segments.at(-1)) return;
    if (fs.fstatSync(file.descriptor).nlink > 0 || dropDelivered(journal)) return;
    throw new Error(`${file.segment.path} was deleted`);
  }

  function write(bytes: Buffer): Written {
    try {
      return writeTo(current(), bytes);
    } catch (error) {
      // On a full disk, what was delivered is the room that there is.
      if (!dropDelivered(journal)) throw error;
      return writeTo(current(), bytes);
    }
  }

  function writeTo({ segment, descriptor }: NonNullable<typeof file>, bytes: Buffer): Written {
    if (tornTail) cutTail();
    tornTail = true;
    try {
      for (let written = 0; written < bytes.length; ) {
        written += fs.writeSync(descriptor, bytes, written, bytes.length - written, segment.size + written);
      }
    } catch (error) {
      cutTail();
      throw error;
    }
    return { segment, descriptor, bytes: bytes.length };
  }

  function take({ segment, bytes }: Written): void {
    segment.size += bytes;
    tornTail = false;
  }

  function cutTail(): void {
    if (file !== undefined) fs.ftruncateSync(file.descriptor, file.segment.size);
    tornTail = false;
  }

  function current(): NonNullable<typeof file> {
    const newest = journal.segments.at(-1);
    if (file !== undefined && file.segment === newest && (tornTail || newest.size < segmentBytes))
      return file;
    const path = segmentPath(journal, sequence + 1);
    const descriptor = fs.openSync(path, "w", 0o600);
    close();
    sequence++;
    const segment = { sequence, path, size: 0 };
    file = { segment, descriptor };
    dropDelivered(journal);
    journal.segments.push(segment);
    return file;
  }

  function close(): void {
    if (file !== undefined) fs.closeSync(file.descriptor);
    file = undefined;
    tornTail = false;
  }

  return { check, write, take, cutTail, close };
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
  const elsewhere = misplaced(journal);
  if (elsewhere !== undefined) {
    const message = `the event was not recorded: ${elsewhere.message}`;
    return new JournalError("JOURNAL_WRITE_FAILED", message, { cause });
  }
  return new JournalError(
    "JOURNAL_WRITE_FAILED",
    `the usage journal in ${journal.directory} could not be written, so the event was not recorded: ` +
      `${messageOf(cause)}. Make room or restore the disk; the next event is tried again`,
    { cause },
  );
}
