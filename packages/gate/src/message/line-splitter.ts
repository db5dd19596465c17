/** The finds of a splitter. */
export interface LineEvents {
  /** A whole line, without its newline. */
  readonly onLine: (line: Buffer) => void;
  /** A line beyond the limit has ended, and was not kept: its first and last bytes. */
  readonly onTooLong: (head: Buffer, tail: Buffer) => void;
}

/** Bytes kept of either end of a line that is too long. */
const KEPT = 512;
const NEWLINE = 10;

/** Splits bytes into lines, and keeps no more of a line than `maxBytes`. Returns the function that takes the next bytes. */
export function createLineSplitter(maxBytes: number, { onLine, onTooLong }: LineEvents) {
  let parts: Buffer[] = [];
  let length = 0;
  let head: Buffer | undefined;
  let tail = Buffer.alloc(0);

  const add = (part: Buffer) => {
    length += part.length;
    if (length <= maxBytes) {
      parts.push(part);
      return;
    }
    head ??= Buffer.from(Buffer.concat([...parts, part]).subarray(0, KEPT));
    parts = [];
    tail = Buffer.concat([tail, part.subarray(-KEPT)]).subarray(-KEPT);
  };
  const end = () => {
    const [line, first, last] = [Buffer.concat(parts), head, tail];
    parts = [];
    length = 0;
    head = undefined;
    tail = Buffer.alloc(0);
    if (first !== undefined) onTooLong(first, last);
    else if (line.length > 0) onLine(line);
  };
  return (bytes: Buffer): void => {
    let start = 0;
    for (let index = bytes.indexOf(NEWLINE); index !== -1; index = bytes.indexOf(NEWLINE, start)) {
      add(bytes.subarray(start, index));
      end();
      start = index + 1;
    }
    if (start < bytes.length) add(bytes.subarray(start));
  };
}
