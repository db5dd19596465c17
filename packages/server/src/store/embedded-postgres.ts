import { rm } from "node:fs/promises";
import { join } from "node:path";
import { PGlite, type PGliteOptions, types } from "@electric-sql/pglite";
import { exactInteger } from "../exact-integer.ts";
import { DataFiles } from "./data-files.ts";
import { secureTree } from "./durable-files.ts";
import { exists } from "./exists.ts";

/** The embedded PostgreSQL could not be started, or ended by itself. Its files are as after a crash. */
export class PostgresEndedError extends Error {
  override readonly name = "PostgresEndedError";
  /** True where the disk had no room when PostgreSQL ended. */
  readonly isOutOfRoom: boolean;

  constructor(message: string, { cause, isOutOfRoom }: { cause: unknown; isOutOfRoom: boolean }) {
    super(message, { cause });
    this.isOutOfRoom = isOutOfRoom;
  }
}

/** The status by which PGlite's PostgreSQL leaves its loop when a statement fails, and can be entered again. */
const STATEMENT_FAILED = 100;

/**
 * PGlite starts PostgreSQL with `-F`: nothing is synced. emscripten knows `fsync`, which {@link DataFiles} brings, and
 * does nothing at `fdatasync`, the method by default.
 *
 * Of the 160 MB that it would set aside for pages, each start clears every byte, which takes longer than all the rest of
 * it; the operating system has read pages at hand as well. Recording is as fast with a fifth of them.
 */
const START_PARAMS = [
  ...PGlite.defaultStartParams.filter((param) => param !== "-F"),
  ...["-c", "wal_sync_method=fsync"],
  ...["-c", "shared_buffers=32MB"],
];

/** PGlite that syncs what it writes, and knows when its PostgreSQL has ended. */
export class EmbeddedPostgres extends PGlite {
  readonly files: DataFiles;
  readonly #lastWords: () => string | undefined;
  #ended: PostgresEndedError | null = null;
  #isWatched = false;

  constructor(files: DataFiles, options: PGliteOptions = {}) {
    let lastWords: string | undefined;
    super({
      ...options,
      fs: files,
      startParams: START_PARAMS,
      parsers: { [types.INT8]: exactInteger, [types.DATE]: (text) => text },
      onStderr: (line) => {
        lastWords = /(?:PANIC|FATAL): +(.*)/.exec(line)?.[1] ?? lastWords;
        return true;
      },
    });
    this.files = files;
    this.#lastWords = () => lastWords;
  }

  /** Error that says why PostgreSQL ended, or null while it runs. */
  get ended(): PostgresEndedError | null {
    return this.#ended;
  }

  /** Runs what the protocol says; everything that is asked of PostgreSQL comes through here. */
  override execProtocolRawSync(message: Uint8Array): Uint8Array {
    if (this.#ended !== null) throw this.#ended;
    this.#watch();
    try {
      return super.execProtocolRawSync(message);
    } catch (error) {
      throw this.end(error);
    }
  }

  /** Takes PostgreSQL for ended: it is asked nothing more. */
  end(cause: unknown): PostgresEndedError {
    const message = cause instanceof Error ? cause.message : String(cause);
    const { isFull: isOutOfRoom } = this.files;
    this.#ended ??= new PostgresEndedError(this.#lastWords() ?? message, { cause, isOutOfRoom });
    return this.#ended;
  }

  /**
   * PGlite takes whatever PostgreSQL's loop throws for a statement that failed, and enters it again until the message
   * is read: for ever, after a PANIC. The stack is what it restores first.
   */
  #watch(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    const { Module: module } = this;
    const { _PostgresMainLoopOnce: runOnce, stackRestore } = module;
    module._PostgresMainLoopOnce = () => {
      try {
        runOnce();
      } catch (error) {
        if (statusOf(error) !== STATEMENT_FAILED) this.end(error);
        throw error;
      }
    };
    module.stackRestore = (pointer) => {
      if (this.#ended !== null) throw this.#ended;
      return stackRestore(pointer);
    };
  }
}

function statusOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "status" in error ? error.status : undefined;
}

/**
 * Starts PostgreSQL on the files of a directory, or on those of a backup, or on new ones if the directory is empty.
 * After a crash it replays its log first.
 *
 * @throws {PostgresEndedError} when it does not start.
 */
export async function startPostgres(directory: string, loadDataDir?: Blob): Promise<EmbeddedPostgres> {
  // Left by a crash, and perhaps empty, which PostgreSQL takes for another that is starting. There is none: the data
  // directory is locked.
  const lock = join(directory, "postmaster.pid");
  const hasCrashed = await exists(lock);
  await rm(lock, { force: true });
  // After a crash PostgreSQL syncs all of its files, one by one; several at once take a fraction of the time.
  const synced = hasCrashed ? await secureTree(directory) : undefined;
  const files = new DataFiles(directory, synced);
  const postgres = new EmbeddedPostgres(files, loadDataDir && { loadDataDir });
  try {
    await postgres.waitReady;
  } catch (error) {
    files.release();
    throw postgres.end(error);
  }
  files.segments = 0;
  return postgres;
}
