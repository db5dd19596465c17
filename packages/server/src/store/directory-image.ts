import { mkdir, open, readdir, readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, brotliDecompress, constants } from "node:zlib";
import { syncDirectory } from "./durable-files.ts";

// An image is, compressed, the length of its index (four bytes, little-endian), the index as JSON, and the contents of
// the files, one behind the other.

/** Index of an image, folders before what is in them; `size` is the size of a file. */
type Index = readonly { readonly path: string; readonly size?: number }[];

const INDEX_LENGTH = 4;
/** Number of files written at once: a disk syncs several in hardly more time than one. */
const WRITERS = 8;

/** Makes one image of all files in a directory. */
export async function packDirectory(directory: string): Promise<Uint8Array> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }));
  const index: { path: string; size?: number }[] = [];
  const contents: Buffer[] = [];
  for (const { entry, path } of paths.toSorted((one, other) => (one.path < other.path ? -1 : 1))) {
    const name = relative(directory, path).split(sep).join("/");
    const content = entry.isDirectory() ? undefined : await readFile(path);
    index.push({ path: name, ...(content && { size: content.length }) });
    if (content) contents.push(content);
  }
  const header = Buffer.from(JSON.stringify(index satisfies Index));
  const length = Buffer.alloc(INDEX_LENGTH);
  length.writeUInt32LE(header.length);
  return promisify(brotliCompress)(Buffer.concat([length, header, ...contents]), {
    // A database's three copies of its catalogue are within the largest window.
    params: { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 5 },
  });
}

/**
 * Writes the files of an image into a directory, which is made, for their owner alone. They are on the disk when the
 * promise resolves.
 */
export async function unpackDirectory(image: Uint8Array, directory: string): Promise<void> {
  const all = await promisify(brotliDecompress)(image);
  const from = INDEX_LENGTH + all.readUInt32LE();
  const index: Index = JSON.parse(all.toString("utf8", INDEX_LENGTH, from));
  const folders = [directory];
  const files: { path: string; content: Uint8Array }[] = [];
  let offset = from;
  for (const { path, size } of index) {
    const target = join(directory, path);
    if (size === undefined) folders.push(target);
    else files.push({ path: target, content: all.subarray(offset, offset + size) });
    offset += size ?? 0;
  }
  for (const folder of folders) await mkdir(folder, { mode: 0o700 });
  const waiting = files.values();
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      for (const { path, content } of waiting) await write(path, content);
    }),
  );
  for (const folder of folders) await syncDirectory(folder);
}

async function write(path: string, content: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}
