import { readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { codeOf, unusableDirectory } from "./data-directory.ts";
import { DatabaseSetupError } from "./database.ts";
import { unpackDirectory } from "./directory-image.ts";
import { secureTree, syncDirectory } from "./durable-files.ts";
import { type EmbeddedPostgres, PostgresEndedError, startPostgres } from "./embedded-postgres.ts";
import { exists } from "./exists.ts";

/** Directory of PostgreSQL's files in a data directory. */
export const PGDATA = "pgdata";

/** Written beside the code when the package is built. */
const EMPTY_DATABASE = fileURLToPath(new URL("./empty-database.br", import.meta.url));

/** The codes of a disk that has no room. */
const OUT_OF_ROOM: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);

/** Directories of those files while a new database, or one from a backup, is being made. */
type Aside = "pgdata.new" | "pgdata.restoring";

/**
 * Checks whether there is a database in a data directory.
 *
 * @throws {DatabaseSetupError} when there was one: a new one is not made over what is left of it.
 */
export async function hasDatabase(directory: string): Promise<boolean> {
  const found = await list(directory, "");
  const files = found.includes(PGDATA) ? await list(directory, PGDATA) : [];
  if (files.includes("PG_VERSION")) return true;
  if (files.length > 0) throw damagedDatabase(directory, `the file ${PGDATA}/PG_VERSION is missing`);
  if (found.includes("secret-key"))
    throw damagedDatabase(directory, `there is a secret-key, and no database in ${PGDATA}`);
  if (found.includes("pgdata.restoring"))
    throw new DatabaseSetupError(
      `A restore into ${directory} was broken off. Run it again: \`licentric restore <backup> --data-dir ${directory}\`.`,
    );
  return false;
}

/**
 * Makes an empty database in a data directory: of the image that the package brings, which has this version's tables,
 * or, where that is not beside the code, as when it runs from its sources, by PostgreSQL itself.
 *
 * @throws {DatabaseSetupError} when the disk has no room for it; nothing is left of what was begun.
 */
export async function makeDatabase(directory: string): Promise<void> {
  await putInPlace(directory, "pgdata.new", async (made) => {
    if (await exists(EMPTY_DATABASE)) return unpackDirectory(await readFile(EMPTY_DATABASE), made);
    await (await startPostgres(made)).close();
    await secureTree(made);
  });
}

/**
 * Makes a database in a data directory of a backup.
 *
 * @param check looks at it before it is moved to its place.
 * @throws {DatabaseSetupError} when the disk has no room for it; nothing is left of what was begun.
 */
export async function restoreFiles(
  directory: string,
  backup: Blob,
  check: (postgres: EmbeddedPostgres) => Promise<unknown>,
): Promise<void> {
  await putInPlace(directory, "pgdata.restoring", async (made) => {
    const postgres = await startPostgres(made, backup);
    try {
      await check(postgres);
    } finally {
      await postgres.close();
    }
    await secureTree(made);
  });
}

/** In its place there is a whole database, which is on the disk, or none: it is made aside, and moved there. */
async function putInPlace(
  directory: string,
  aside: Aside,
  make: (made: string) => Promise<void>,
): Promise<void> {
  const made = join(directory, aside);
  await rm(made, { recursive: true, force: true });
  try {
    await make(made);
    await rename(made, join(directory, PGDATA));
    await syncDirectory(directory);
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    const isOutOfRoom =
      error instanceof PostgresEndedError ? error.isOutOfRoom : OUT_OF_ROOM.has(String(codeOf(error)));
    if (error instanceof Error && isOutOfRoom)
      throw new DatabaseSetupError(fullDisk(directory, error.message), { cause: error });
    throw error;
  }
}

/**
 * Starts the PostgreSQL of a data directory.
 *
 * @throws {DatabaseSetupError} when it does not start.
 */
export async function startDatabase(directory: string): Promise<EmbeddedPostgres> {
  try {
    return await startPostgres(join(directory, PGDATA));
  } catch (error) {
    if (!(error instanceof PostgresEndedError)) throw error;
    if (error.isOutOfRoom) throw new DatabaseSetupError(fullDisk(directory, error.message), { cause: error });
    throw damagedDatabase(directory, error.message, error);
  }
}

/** The sentence about a disk that has no room. */
export function fullDisk(directory: string, reason: string): string {
  return `The disk of ${directory} is full (${reason}). Make room on it.`;
}

/** A database that cannot be opened as it is, with what to do. */
export function damagedDatabase(directory: string, reason: string, cause?: unknown): DatabaseSetupError {
  return new DatabaseSetupError(
    `The database in ${directory} is damaged or incomplete (${reason}). Keep the directory as it is, and restore the ` +
      "latest backup into a new one: `licentric restore <backup> --data-dir <new directory>`.",
    { cause },
  );
}

async function list(directory: string, folder: string): Promise<string[]> {
  try {
    return await readdir(join(directory, folder));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw unusableDirectory(directory, error);
  }
}
