import { open } from "node:fs/promises";
import type { EventBatch } from "./event-batch.ts";
import { isJournalEvent } from "./journal-event.ts";
import { decodeLine, isIntact, JSON_OFFSET } from "./line.ts";

/** Bytes of a segment that were written whole and are no event any more. */
export interface Damage {
  readonly offset: number;
  readonly length: number;
  /** The bytes that are left: less than `length` where somebody cut the file short. */
  readonly bytes: Buffer;
}

/** The next events of a segment. */
export interface Batch extends EventBatch {
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
  /** Read each line as the event that it should be, beyond its checksum. */
  readonly isStrict: boolean;
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const COMMA = 0x2c;

const OPENING = '{"events":[';
const CLOSING = "]}";

/**
 * Reads the next events of a segment from `offset` on.
 *
 * What is no whole line with a fitting checksum is never taken for an event; where `isStrict` says so, neither is what has
 * one by chance. Bytes at the segment's end without a
 * newline are the torn tail that a crash leaves, part of a write that was never acknowledged: they are passed
 * over. Every other such line, and what a file is too short for, is damage, and is handed back so that it can be
 * kept and reported.
 */
export async function readBatch(path: string, offset: number, limits: BatchLimits): Promise<Batch> {
  const wanted = Math.min(limits.maxBytes, limits.end - offset);
  // With room for what makes a request's body of it.
  const body = Buffer.allocUnsafe(OPENING.length + wanted + CLOSING.length);
  const chunk = await readInto(body.subarray(OPENING.length, OPENING.length + wanted), path, offset);
  const damage: Damage[] = [];
  let count = 0;
  let lines = 0;
  let start = 0;
  while (count < limits.maxEvents) {
    const newline = chunk.indexOf(NEWLINE, start);
    if (newline === -1) return toBatch(start, endOfChunk());
    if (isEvent(newline)) {
      // JSON takes spaces, and so the lines are the body's as they lie, without their checksums.
      chunk.fill(SPACE, start, start + JSON_OFFSET);
      if (count > 0) chunk[start] = COMMA;
      count++;
    } else {
      damage.push(damaged(start, newline + 1));
      chunk.fill(SPACE, start, newline);
    }
    lines++;
    start = newline + 1;
  }
  return toBatch(start, offset + start);

  function isEvent(newline: number): boolean {
    if (!limits.isStrict) return isIntact(chunk, start, newline);
    return isJournalEvent(decodeLine(chunk.subarray(start, newline)));
  }

  function toBatch(end: number, next: number): Batch {
    body.write(OPENING, 0);
    body.write(CLOSING, OPENING.length + end);
    const json = body.subarray(0, OPENING.length + end + CLOSING.length);
    return { json, count, events: () => JSON.parse(json.toString()).events, lines, damage, next };
  }

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
    return { offset: offset + from, length: to - from, bytes: Buffer.from(chunk.subarray(from, to)) };
  }
}

/** Counts the lines of a segment from `offset` on. */
export async function countLines(path: string, offset: number, end: number): Promise<number> {
  let count = 0;
  for (let at = offset; at < end; ) {
    const chunk = await readInto(Buffer.allocUnsafe(Math.min(1024 * 1024, end - at)), path, at);
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

/** Fills a buffer from a file, and returns as much of it as the file has. */
async function readInto(
  buffer: Buffer<ArrayBuffer>,
  path: string,
  offset: number,
): Promise<Buffer<ArrayBuffer>> {
  const file = await open(path, "r");
  try {
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  } finally {
    await file.close();
  }
}
