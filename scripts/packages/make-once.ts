import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { waitForLock } from "fs-native-extensions";

/** A day. A run that began with something else may still use it. */
const KEEP_OTHERS_FOR = 86_400_000;

/**
 * Makes a folder once for all who ask for it: for the test files of a run, which run side by side, and for later runs.
 *
 * @param shelf the folder that it is kept in; whoever asks for something on the same shelf waits
 * @param digest the digest of everything that it is made of
 * @param make fills the folder, which is another one while it is made: one that is there is whole
 * @param keepOthersFor milliseconds after which what nobody asked for is removed from the shelf when this is made
 */
export async function makeOnce(
  shelf: string,
  digest: string,
  make: (directory: string) => Promise<void>,
  keepOthersFor = KEEP_OTHERS_FOR,
): Promise<string> {
  const directory = join(shelf, digest);
  mkdirSync(shelf, { recursive: true });
  const lock = await open(join(shelf, "lock"), "a+");
  try {
    await waitForLock(lock.fd);
    if (!existsSync(directory)) {
      removeOthers(shelf, keepOthersFor);
      const unfinished = join(shelf, "unfinished");
      rmSync(unfinished, { recursive: true, force: true });
      mkdirSync(unfinished);
      await make(unfinished);
      renameSync(unfinished, directory);
    }
    const now = new Date();
    utimesSync(directory, now, now);
  } finally {
    await lock.close();
  }
  return directory;
}

function removeOthers(shelf: string, olderThan: number): void {
  for (const { name, parentPath } of readdirSync(shelf, { withFileTypes: true }).filter((one) =>
    one.isDirectory(),
  )) {
    const path = join(parentPath, name);
    if (statSync(path).mtimeMs <= Date.now() - olderThan) rmSync(path, { recursive: true, force: true });
  }
}

/** Every file in folders, however deep, in the order of their paths. */
export function filesIn(...directories: readonly string[]): string[] {
  return directories
    .flatMap((directory) => readdirSync(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .toSorted();
}

/** The digest of files, of where they are and what is in them, and of what is said besides. */
export function digestOf(files: readonly string[], ...besides: readonly string[]): string {
  const hash = createHash("sha256").update(JSON.stringify(besides));
  for (const file of files) hash.update(file).update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}
