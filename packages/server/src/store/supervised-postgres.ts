import { rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseUnavailableError, sqlState } from "./database.ts";
import { type EmbeddedPostgres, PostgresEndedError, startPostgres } from "./embedded-postgres.ts";
import { damagedDatabase, fullDisk, PGDATA } from "./pgdata.ts";

/** Milliseconds between two tries to go on with a database that could not. */
const RETRY_INTERVAL = 1_000;

/** PostgreSQL begins its log's files only in this size, and needs one more to go on. */
const WAL_SEGMENT = 16 * 1_024 * 1_024;

/**
 * Number of log files, of 16 MiB each, that are written before data files are synced and the log is used
 * anew. PostgreSQL does this by itself only where it has processes for it; without, its log would grow until
 * the server is stopped.
 */
const CHECKPOINT_AFTER = 8;

/**
 * An embedded PostgreSQL that is kept at work. While it cannot write, for want of room or because it has ended, what is
 * asked of it is refused as unavailable, and once a second it is tried again.
 */
export class SupervisedPostgres {
  readonly #directory: string;
  #postgres: EmbeddedPostgres;
  #fault: DatabaseUnavailableError | null = null;
  #isFull = false;
  #retryAt = 0;
  #recovery: Promise<void> | null = null;

  /** @param directory is the data directory. */
  constructor(directory: string, started: EmbeddedPostgres) {
    this.#directory = directory;
    this.#postgres = started;
  }

  /**
   * Runs work on PostgreSQL.
   *
   * @throws {DatabaseUnavailableError} when PostgreSQL cannot work now; its code is the SQLSTATE for it.
   * @throws {DatabaseSetupError} when what it read is damaged.
   */
  async use<T>(work: (postgres: EmbeddedPostgres) => Promise<T>): Promise<T> {
    if (this.#fault !== null) {
      this.#recovery ??= this.#recover(this.#fault).finally(() => {
        this.#recovery = null;
      });
      await this.#recovery;
    }
    const used = this.#postgres;
    try {
      return await work(used);
    } catch (error) {
      throw used === this.#postgres ? this.#explain(error) : error;
    } finally {
      if (used.files.segments >= CHECKPOINT_AFTER) this.#checkpoint(used);
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#recovery]);
    if (this.#postgres.ended === null) await this.#postgres.close();
    else this.#postgres.files.release();
  }

  async #recover(fault: DatabaseUnavailableError): Promise<void> {
    if (performance.now() < this.#retryAt) throw fault;
    try {
      if (this.#isFull) await takeRoom(this.#directory);
      if (this.#postgres.ended !== null) {
        this.#postgres.files.release();
        this.#postgres = await startPostgres(join(this.#directory, PGDATA));
      }
      this.#fault = null;
      this.#isFull = false;
      this.#postgres.files.isFull = false;
    } catch (error) {
      this.#retryAt = performance.now() + RETRY_INTERVAL;
      throw this.#refuse(error);
    }
  }

  /** One that fails loses nothing: the log is kept, and the next one covers what it did not. */
  #checkpoint(used: EmbeddedPostgres): void {
    used.files.segments = 0;
    used.exec("CHECKPOINT").catch((error: unknown) => this.#explain(error));
  }

  /** The error to report for one of a PostgreSQL at work. */
  #explain(error: unknown): unknown {
    if (this.#postgres.ended !== null) return this.#refuse(this.#postgres.ended);
    if (isOutOfRoom(error)) return this.#refuse(error);
    return isDamage(error) ? damagedDatabase(this.#directory, reasonOf(error), error) : error;
  }

  #refuse(error: unknown): DatabaseUnavailableError {
    this.#isFull ||= isOutOfRoom(error);
    const reason = reasonOf(error);
    const [code, message] = this.#isFull
      ? [DISK_FULL, `${fullDisk(this.#directory, reason)} The database then goes on by itself.`]
      : [
          STOPPED,
          `The database in ${this.#directory} has stopped (${reason}). It is started again by itself.`,
        ];
    this.#fault = new NotWorkingError(message, { cause: error, code });
    return this.#fault;
  }
}

/** SQLSTATEs, as PostgreSQL has them: disk_full, crash_shutdown. */
const DISK_FULL = "53100";
const STOPPED = "57P02";
/** Data that is corrupted, an index that is, a file that is missing. */
const DAMAGE = new Set(["XX001", "XX002", "58P01"]);

class NotWorkingError extends DatabaseUnavailableError {
  readonly code: string;

  constructor(message: string, { cause, code }: { cause: unknown; code: string }) {
    super(message, { cause });
    this.code = code;
  }
}

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
