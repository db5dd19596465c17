import { rm, stat, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PGlite } from "@electric-sql/pglite";
import { takeDataDirectory } from "./data-directory.ts";
import {
  type Database,
  DatabaseUnavailableError,
  type Queryable,
  type SqlValue,
  sqlState,
} from "./database.ts";
import { secureTree } from "./durable-files.ts";
import { type EmbeddedPostgres, PostgresEndedError, startPostgres } from "./embedded-postgres.ts";
import { damagedDatabase, fullDisk, hasDatabase, makeDatabase, PGDATA, startDatabase } from "./pgdata.ts";

/**
 * Opens the embedded database: PostgreSQL inside this process, its files in `directory` (made if missing), for their
 * owner alone. A write is on the disk when its promise resolves, and survives a power cut.
 *
 * @throws {DatabaseSetupError} when another process has the directory open, it cannot be made or written to, or what
 * is in it is damaged.
 */
export async function openEmbeddedDatabase(directory: string): Promise<Database> {
  const unlock = await takeDataDirectory(directory);
  const files = join(directory, PGDATA);
  try {
    if (!(await hasDatabase(directory))) await makeDatabase(directory, "pgdata.new");
    // Earlier versions left their files open to others, and to the next power cut.
    if (((await stat(files)).mode & 0o077) !== 0 && process.platform !== "win32") await secureTree(files);
    return database(directory, await startDatabase(directory), unlock);
  } catch (error) {
    await unlock();
    throw error;
  }
}

function database(directory: string, started: EmbeddedPostgres, unlock: () => Promise<void>): Database {
  const { use, close } = keepRunning(directory, started);
  return {
    kind: "embedded",
    directory,
    query: (text, values) => use((postgres) => runner(postgres).query(text, values)),
    transaction: (work) => use((postgres) => postgres.transaction((tx) => work(runner(tx)))),
    script: (text) =>
      use(async (postgres) => {
        await postgres.exec(text);
      }),
    close: async () => {
      await close();
      await unlock();
    },
  };
}

function runner(db: Pick<PGlite, "query">): Queryable {
  return {
    query: async <Row>(text: string, values: readonly SqlValue[] = []) =>
      (await db.query<Row>(text, [...values])).rows,
  };
}

/** Milliseconds between two tries to go on with a database that could not. */
const RETRY_INTERVAL = 1_000;

/** PostgreSQL begins its log's files only in this size, and needs one more to go on. */
const WAL_SEGMENT = 16 * 1_024 * 1_024;

/**
 * Log that is written before data files are synced and the log is used anew, in files of 16 MiB. PostgreSQL does this
 * by itself only where it has processes for it; without, its log would grow until the server is stopped.
 */
const CHECKPOINT_AFTER = 8;

/**
 * Keeps a PostgreSQL at work. While it cannot write, for want of room or because it has ended, what is asked of it is
 * refused as unavailable, and it is tried again once a second.
 */
function keepRunning(
  directory: string,
  started: EmbeddedPostgres,
): { use<T>(work: (postgres: EmbeddedPostgres) => Promise<T>): Promise<T>; close(): Promise<void> } {
  let postgres = started;
  let fault: DatabaseUnavailableError | null = null;
  let isFull = false;
  let retryAt = 0;
  let recovery: Promise<void> | null = null;

  async function recover(): Promise<void> {
    if (fault === null) return;
    if (performance.now() < retryAt) throw fault;
    try {
      if (isFull) await takeRoom(directory);
      if (postgres.ended !== null) {
        postgres.files.release();
        postgres = await startPostgres(join(directory, PGDATA));
      }
      fault = null;
      isFull = false;
      postgres.files.isFull = false;
    } catch (error) {
      retryAt = performance.now() + RETRY_INTERVAL;
      throw refuse(error);
    }
  }

  function refuse(error: unknown): DatabaseUnavailableError {
    isFull ||= isOutOfRoom(error);
    const message = isFull
      ? `${fullDisk(directory, reasonOf(error))} The database then goes on by itself.`
      : `The embedded database in ${directory} has stopped (${reasonOf(error)}). It is started again by itself.`;
    fault = new DatabaseUnavailableError(message, { cause: error });
    return fault;
  }

  /** The error to report of a PostgreSQL at work. */
  function explain(error: unknown): unknown {
    if (postgres.ended !== null) return refuse(postgres.ended);
    if (isOutOfRoom(error)) return refuse(error);
    return isDamage(error) ? damagedDatabase(directory, reasonOf(error), error) : error;
  }

  async function use<T>(work: (postgres: EmbeddedPostgres) => Promise<T>): Promise<T> {
    if (fault !== null) {
      recovery ??= recover().finally(() => {
        recovery = null;
      });
      await recovery;
    }
    const used = postgres;
    try {
      return await work(used);
    } catch (error) {
      throw used === postgres ? explain(error) : (fault ?? error);
    } finally {
      if (used.files.segments >= CHECKPOINT_AFTER) checkpoint(used);
    }
  }

  /** One that fails loses nothing: the log is kept, and the next one covers what it did not. */
  function checkpoint(used: EmbeddedPostgres): void {
    used.files.segments = 0;
    used.exec("CHECKPOINT").catch(explain);
  }

  return {
    use,
    close: async () => {
      await Promise.allSettled([recovery]);
      if (postgres.ended === null) await postgres.close();
      else postgres.files.release();
    },
  };
}

const DISK_FULL = "53100";
/** Data that is corrupted, an index that is, a file that is missing. */
const DAMAGE = new Set(["XX001", "XX002", "58P01"]);

function isOutOfRoom(error: unknown): boolean {
  return error instanceof PostgresEndedError ? error.isOutOfRoom : sqlState(error) === DISK_FULL;
}

function isDamage(error: unknown): boolean {
  return DAMAGE.has(sqlState(error) ?? "");
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Takes the room that PostgreSQL needs to go on, and gives it back; a quota shows only to who writes. */
async function takeRoom(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize < WAL_SEGMENT) throw new Error(`${bavail * bsize} bytes are left of ${WAL_SEGMENT}`);
  const probe = join(directory, "probe");
  try {
    await writeFile(probe, Buffer.alloc(WAL_SEGMENT), { mode: 0o600 });
  } finally {
    await rm(probe, { force: true });
  }
}
