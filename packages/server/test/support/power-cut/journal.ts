/** What processes did to the files below a directory, one thing after the other, as `record-writes.c` records it. */
export type Step =
  | { readonly kind: "create"; readonly path: string }
  | { readonly kind: "mkdir"; readonly path: string }
  | { readonly kind: "remove"; readonly path: string }
  | { readonly kind: "rename"; readonly path: string; readonly to: string }
  | { readonly kind: "truncate"; readonly path: string; readonly size: number }
  /** Zeros are not spelled out: `data` is then their number. */
  | { readonly kind: "write"; readonly path: string; readonly offset: number; readonly data: Buffer | number }
  /** What was written between the two may be on the disk or not; what was written before the first is. */
  | { readonly kind: "sync-begin"; readonly path: string; readonly process: number }
  | { readonly kind: "sync-end"; readonly path: string; readonly process: number };

/** A record: its kind, the lengths of two paths, two numbers, the paths, and what was written. */
const HEADER = 24;

const KINDS = {
  c: "create",
  d: "mkdir",
  x: "remove",
  r: "rename",
  t: "truncate",
  w: "write",
  z: "write",
  b: "sync-begin",
  s: "sync-end",
} as const;

/** Reads a journal up to its end, or to the record that the cut broke off. */
export function* readJournal(journal: Buffer): Generator<Step> {
  for (let at = 0; at + HEADER <= journal.length; ) {
    const letter = String.fromCharCode(journal.readUInt8(at));
    const [pathLength, toLength] = [journal.readUInt16LE(at + 2), journal.readUInt16LE(at + 4)];
    const [offset, length] = [at + 8, at + 16].map((place) => Number(journal.readBigUInt64LE(place)));
    const paths = at + HEADER;
    const body = paths + pathLength + toLength;
    at = body + (letter === "w" ? (length ?? 0) : 0);
    if (at > journal.length) return;
    yield step(letter, {
      path: journal.toString("utf8", paths, paths + pathLength),
      to: journal.toString("utf8", paths + pathLength, body),
      offset: offset ?? 0,
      length: length ?? 0,
      data: journal.subarray(body, at),
    });
  }
}

interface Parts {
  readonly path: string;
  readonly to: string;
  readonly offset: number;
  readonly length: number;
  readonly data: Buffer;
}

function step(letter: string, { path, to, offset, length, data }: Parts): Step {
  if (!isKind(letter)) throw new Error(`the journal has a record of the kind "${letter}"`);
  const kind = KINDS[letter];
  switch (kind) {
    case "rename":
      return { kind, path, to };
    case "truncate":
      return { kind, path, size: length };
    case "write":
      return { kind, path, offset, data: letter === "z" ? length : data };
    case "sync-begin":
    case "sync-end":
      return { kind, path, process: offset };
    default:
      return { kind, path };
  }
}

function isKind(letter: string): letter is keyof typeof KINDS {
  return letter in KINDS;
}
