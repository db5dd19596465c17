import { PGlite, types } from "@electric-sql/pglite";
import { exactInteger } from "../exact-integer.ts";
import { takeDataDirectory } from "./data-directory.ts";
import type { Database, Queryable, SqlValue } from "./database.ts";

/**
 * Opens the embedded database: PostgreSQL inside this process, its files in `directory` (made if missing).
 * A write is on disk when its promise resolves.
 *
 * @throws {DatabaseSetupError} when another process has the directory open, or it cannot be made or written to.
 */
export async function openEmbeddedDatabase(directory: string): Promise<Database> {
  const unlock = await takeDataDirectory(directory);
  let db: PGlite;
  try {
    db = await PGlite.create(`${directory}/pgdata`, {
      parsers: { [types.INT8]: exactInteger, [types.DATE]: (text) => text },
    });
  } catch (error) {
    await unlock();
    throw error;
  }

  return {
    kind: "embedded",
    directory,
    ...runner(db),
    transaction: (work) => db.transaction((tx) => work(runner(tx))),
    script: async (text) => {
      await db.exec(text);
    },
    close: async () => {
      await db.close();
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
