import { File } from "node:buffer";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { takeDataDirectory } from "./data-directory.ts";
import { DatabaseSetupError } from "./database.ts";
import { lockDirectory } from "./directory-lock.ts";
import { writeWhole } from "./durable-files.ts";
import { exists } from "./exists.ts";
import { hasDatabase, restoreFiles, startDatabase } from "./pgdata.ts";

/** Entries that a restore leaves as they are, or that an interrupted one has left. */
const MAY_BE_THERE = new Set(["lock", "secret-key", "pgdata.restoring"]);

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
  if (!(await hasDatabase(directory))) {
    throw new DatabaseSetupError(
      `${directory} has no embedded database. Name the data directory of the server.`,
    );
  }
  if (await exists(file)) {
    throw new DatabaseSetupError(`${file} exists, and a backup overwrites nothing. Choose another name.`);
  }
  const unlock = await lockDirectory(directory);
  try {
    const postgres = await startDatabase(directory);
    try {
      const dump = await postgres.dumpDataDir("gzip");
      await writeWhole(file, new Uint8Array(await dump.arrayBuffer()));
    } finally {
      await postgres.close();
    }
  } finally {
    await unlock();
  }
}

/**
 * Makes a data directory out of a backup. The server is then started with it, and brings an older backup to its own
 * version.
 *
 * @param directory is made; if it exists, it must be empty, but for a `secret-key`.
 * @throws {DatabaseSetupError} when the directory has something in it, or the file is not a backup; then
 * nothing is left of what was begun.
 *
 * @example
 * ```ts
 * await restoreDatabase("backup.tar.gz", ".licentric/restored");
 * ```
 */
export async function restoreDatabase(file: string, directory: string): Promise<void> {
  if (!(await exists(file))) throw new DatabaseSetupError(`There is no file ${file}.`);
  const unlock = await takeDataDirectory(directory);
  try {
    const found = await readdir(directory);
    if (found.some((name) => !MAY_BE_THERE.has(name))) {
      throw new DatabaseSetupError(
        `${directory} is not empty, and a restore overwrites nothing. Choose a new directory.`,
      );
    }
    await unpack(file, directory);
  } finally {
    await unlock();
  }
}

async function unpack(file: string, directory: string): Promise<void> {
  try {
    const tar = await promisify(gunzip)(await readFile(file));
    const backup = new File([tar], "backup.tar", { type: "application/x-tar" });
    await restoreFiles(directory, backup, (postgres) => postgres.query("SELECT version FROM schema_version"));
  } catch (error) {
    if (error instanceof DatabaseSetupError) throw error;
    throw new DatabaseSetupError(
      `${file} is not a backup of a Licentric database, or is damaged. Nothing was restored.`,
      { cause: error },
    );
  }
}
