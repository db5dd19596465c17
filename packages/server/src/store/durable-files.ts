import { open, readdir, rename } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** Number of files flushed at once: a disk takes several in hardly more time than one. */
const FLUSHES = 8;

/** Makes a directory's entries survive a power cut. Windows has no such call, and needs none. */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  await sync(directory);
}

/** Writes a file for its owner alone. Under its name there is all of it or nothing, even after a power cut. */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  const partial = `${file}.partial`;
  const handle = await open(partial, "w", 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, file);
  await syncDirectory(dirname(resolve(file)));
}

/**
 * Takes everybody else's rights on a directory and all that is in it away, and makes it survive a power cut. The
 * directory itself comes last: it is closed to others only when everything in it is.
 *
 * @returns the inodes of its files.
 */
export async function secureTree(directory: string): Promise<ReadonlySet<bigint>> {
  const inodes = new Set<bigint>();
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  const waiting = files.map((entry) => join(entry.parentPath, entry.name)).values();
  await Promise.all(
    Array.from({ length: FLUSHES }, async () => {
      for (const file of waiting) inodes.add(await sync(file, 0o600));
    }),
  );
  const folders = entries.filter((entry) => entry.isDirectory());
  for (const folder of folders) await secureDirectory(join(folder.parentPath, folder.name));
  await secureDirectory(directory);
  return inodes;
}

async function secureDirectory(directory: string): Promise<void> {
  if (process.platform !== "win32") await sync(directory, 0o700);
}

async function sync(path: string, mode?: number): Promise<bigint> {
  // Windows flushes only what is open for writing.
  const handle = await open(path, process.platform === "win32" ? "r+" : "r");
  try {
    if (mode !== undefined) await handle.chmod(mode);
    await handle.sync();
    return (await handle.stat({ bigint: true })).ino;
  } finally {
    await handle.close();
  }
}
