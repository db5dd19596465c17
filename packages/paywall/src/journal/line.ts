import { crc32 } from "node:zlib";
import { JournalError } from "./journal-error.ts";

/** The longest line that is written, in bytes: far above the largest event that the API takes. */
export const MAX_LINE_BYTES = 64 * 1024;

const CHECKSUM_LENGTH = 8;
const HEXADECIMAL = "0123456789abcdef";

/** The place in a line at which its JSON begins: behind the checksum and a space. */
export const JSON_OFFSET = CHECKSUM_LENGTH + 1;

const SPACE = 0x20;
const NEWLINE = 0x0a;

/**
 * One value as a line: its JSON behind a checksum, so that a line that a crash cut short is recognised.
 * JSON never holds a bare newline, so a newline always ends a line.
 *
 * @throws {JournalError} `JOURNAL_INVALID_EVENT` for a line over {@link MAX_LINE_BYTES}.
 */
export function encodeLine(value: object): Buffer {
  const json = Buffer.from(JSON.stringify(value));
  const line = Buffer.allocUnsafe(CHECKSUM_LENGTH + 1 + json.length + 1);
  if (line.length > MAX_LINE_BYTES) {
    throw new JournalError(
      "JOURNAL_INVALID_EVENT",
      `a usage event may take ${MAX_LINE_BYTES} bytes, this one takes ${line.length}: give it less metadata`,
    );
  }
  line.write(checksumOf(json), "latin1");
  line[CHECKSUM_LENGTH] = SPACE;
  json.copy(line, CHECKSUM_LENGTH + 1);
  line[line.length - 1] = NEWLINE;
  return line;
}

/** The value of a line, given without its newline; undefined where it is torn or damaged. */
export function decodeLine(line: Buffer): unknown {
  return isIntact(line, 0, line.length) ? parse(line.toString("utf8", JSON_OFFSET)) : undefined;
}

/** Returns whether a line of a chunk, from `start` to before its newline at `end`, has a checksum that fits. */
export function isIntact(chunk: Buffer, start: number, end: number): boolean {
  const space = start + CHECKSUM_LENGTH;
  if (end <= space + 1 || chunk[space] !== SPACE) return false;
  let told = 0;
  for (let at = start; at < space; at++) {
    const digit = HEXADECIMAL.indexOf(String.fromCharCode(chunk[at] ?? 0));
    if (digit === -1) return false;
    told = told * 16 + digit;
  }
  return told === crc32(chunk.subarray(space + 1, end));
}

function checksumOf(json: Buffer): string {
  return crc32(json).toString(16).padStart(CHECKSUM_LENGTH, "0");
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // A checksum that fits by chance: as damaged as one that does not fit.
    return undefined;
  }
}
