import { File } from "node:buffer";
import { open, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { PGlite } from "@electric-sql/pglite";
import { takeDataDirectory } from "./data-directory.ts";
import { DatabaseSetupError } from "./database.ts";
import { lockDirectory } from "./directory-lock.ts";
import { exists } from "./exists.ts";

const DATA = "pgdata";

/**
 * Writes the embedded database into one file (a gzip-compressed tar), readable by its owner alone. The server must
 * be stopped: a directory that is open is refused, so that a backup is never half of a change. For PostgreSQL, use
 * `pg_dump`. The file `secret-key` is left out: keep a copy of it somewhere else, or set `LICENTRIC_SECRET_KEY`;
 * without it, restored webhooks have to be created again.
 *
 * @param directory is the data directory.
 * @param file is made; it must not exist.
 * @throws {DatabaseSetupError} when the directory has no database or is open in a process, or the file exists.
 *
 * @example
 * ```ts
 * await backupDatabase(".licentric/data", "backup.tar.gz");
 * ```
 */
export async function backupDatabase(directory: string, file: string): Promise<void> {
  if (!(await exists(join(directory, DATA, "PG_VERSION")))) {
    throw new DatabaseSetupError(
      `${directory} has no embedded database. Name the data directory of the server.`,
    );
  }
  if (await exists(file)) {
    throw new DatabaseSetupError(`${file} exists, and a backup overwrites nothing. Choose another name.`);
  }
  const unlock = await lockDirectory(directory);
  try {
    const db = await PGlite.create(join(directory, DATA));
    try {
      await writeWhole(file, await db.dumpDataDir("gzip"));
    } finally {
      await db.close();
    }
  } finally {
    await unlock();
  }
}

/** Under its name there is the whole file or none, even after a power failure. */
async function writeWhole(file: string, content: Blob): Promise<void> {
  const partial = `${file}.partial`;
  const handle = await open(partial, "w", 0o600);
  try {
    await handle.writeFile(new Uint8Array(await content.arrayBuffer()));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, file);
}

/**
 * Makes a data directory out of a backup. The server is then started with it, and brings an older backup to its own
 * version.
 *
 * @param directory is made; if it exists, it must be empty, but for a `secret-key`.
 * @throws {DatabaseSetupError} when the directory has something in it, or the file is no backup; then nothing is
 * left of what was begun.
 *
 * @example
 * ```ts
 * await restoreDatabase("backup.tar.gz", ".licentric/restored");
 * ```
 */
export async function restoreDatabase(file: string, directory: string): Promise<void> {
  if (!(await exists(file))) throw new DatabaseSetupError(`There is no file ${file}.`);
  const unlock = await takeDataDirectory(directory);
  const restoring = join(directory, `${DATA}.restoring`);
  try {
    const found = await readdir(directory);
    const own = new Set(["lock", "secret-key", basename(restoring)]);
    if (found.some((name) => !own.has(name))) {
      throw new DatabaseSetupError(
        `${directory} is not empty, and a restore overwrites nothing. Choose a new directory.`,
      );
    }
    await rm(restoring, { recursive: true, force: true });
    await unpack(file, restoring);
    await rename(restoring, join(directory, DATA));
  } catch (error) {
    await rm(restoring, { recursive: true, force: true });
    throw error;
  } finally {
    await unlock();
  }
}

async function unpack(file: string, into: string): Promise<void> {
  try {
    const tar = await promisify(gunzip)(await readFile(file));
    const loadDataDir = new File([tar], "backup.tar", { type: "application/x-tar" });
    const db = await PGlite.create(into, { loadDataDir });
    try {
      await db.query("SELECT version FROM schema_version");
    } finally {
      await db.close();
    }
  } catch (error) {
    throw new DatabaseSetupError(
      `${file} is no backup of a Licentric database, or is damaged. Nothing was restored.`,
      { cause: error },
    );
  }
}
