import { open } from "node:fs/promises";
import { isJournalEvent, type JournalEvent } from "./journal-event.ts";
import { decodeLine } from "./line.ts";

/** Bytes of a segment that were written whole and are no event any more. */
export interface Damage {
  readonly offset: number;
  readonly length: number;
  /** The bytes that are left: less than `length` where somebody cut the file short. */
  readonly bytes: Buffer;
}

/** The next events of a segment. */
export interface Batch {
  readonly events: readonly JournalEvent[];
  /** The number of lines consumed, damaged ones included. */
  readonly lines: number;
  /** The offset at which the next batch begins. */
  readonly next: number;
  readonly damage: readonly Damage[];
}

/** The limits of a batch, and the segment's end. */
export interface BatchLimits {
  /** The segment's length in bytes; nothing behind it is read. */
  readonly end: number;
  readonly maxEvents: number;
  /** Bytes read at once, so that a request's body stays under what servers take. Above any line's length. */
  readonly maxBytes: number;
}

const NEWLINE = 0x0a;

/**
 * Reads the next events of a segment from `offset` on.
 *
 * What is no whole line with a fitting checksum is never taken for an event. Bytes at the segment's end without a
 * newline are the torn tail that a crash leaves, part of a write that was never acknowledged: they are passed
 * over. Every other such line, and what a file is too short for, is damage, and is handed back so that it can be
 * kept and reported.
 */
export async function readBatch(path: string, offset: number, limits: BatchLimits): Promise<Batch> {
  const wanted = Math.min(limits.maxBytes, limits.end - offset);
  const chunk = await readAt(path, offset, wanted);
  const events: JournalEvent[] = [];
  const damage: Damage[] = [];
  let lines = 0;
  let start = 0;
  while (events.length < limits.maxEvents) {
    const newline = chunk.indexOf(NEWLINE, start);
    if (newline === -1) return { events, lines, damage, next: endOfChunk() };
    const value = decodeLine(chunk.subarray(start, newline));
    if (isJournalEvent(value)) events.push(value);
    else damage.push(damaged(start, newline + 1));
    lines++;
    start = newline + 1;
  }
  return { events, lines, damage, next: offset + start };

  function endOfChunk(): number {
    if (chunk.length < wanted) {
      damage.push(damaged(start, limits.end - offset));
      return limits.end;
    }
    if (offset + chunk.length >= limits.end) return limits.end;
    if (start > 0) return offset + start;
    // No line is this long: pass over it, or delivery would stand here for ever.
    damage.push(damaged(0, chunk.length));
    return offset + chunk.length;
  }

  function damaged(from: number, to: number): Damage {
    return { offset: offset + from, length: to - from, bytes: chunk.subarray(from, to) };
  }
}

/** Counts the lines of a segment from `offset` on. */
export async function countLines(path: string, offset: number, end: number): Promise<number> {
  let count = 0;
  for (let at = offset; at < end; ) {
    const chunk = await readAt(path, at, Math.min(1024 * 1024, end - at));
    if (chunk.length === 0) break;
    for (
      let newline = chunk.indexOf(NEWLINE);
      newline !== -1;
      newline = chunk.indexOf(NEWLINE, newline + 1)
    ) {
      count++;
    }
    at += chunk.length;
  }
  return count;
}

async function readAt(path: string, offset: number, length: number): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const chunk = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await file.read(chunk, filled, length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return chunk.subarray(0, filled);
  } finally {
    await file.close();
  }
}
