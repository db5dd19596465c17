import { PGlite } from "@electric-sql/pglite";
import { createPgConfig } from "@electric-sql/pglite/node-postgres";
import pg from "pg";
import { takeDataDirectory } from "./data-directory.ts";
import type { Database } from "./database.ts";
import { onPool, typeParser } from "./pooled.ts";

/**
 * Opens the embedded database: PostgreSQL inside this process, its files in `directory` (made if missing).
 * A write is on disk when its promise resolves. The driver is the one of PostgreSQL, over a connection within the
 * process: it prepares statements, which PGlite's own way of running them plans anew each time.
 *
 * @throws {DatabaseSetupError} when another process has the directory open, or it cannot be made or written to.
 */
export async function openEmbeddedDatabase(directory: string): Promise<Database> {
  const unlock = await takeDataDirectory(directory);
  let db: PGlite;
  try {
    db = await PGlite.create(`${directory}/pgdata`);
  } catch (error) {
    await unlock();
    throw error;
  }

  const pool = new pg.Pool({
    ...createPgConfig(db),
    max: 1,
    idleTimeoutMillis: 0,
    types: { getTypeParser: typeParser },
  });
  return {
    kind: "embedded",
    directory,
    ...onPool(pool),
    close: async () => {
      await pool.end();
      await db.close();
      await unlock();
    },
  };
}
