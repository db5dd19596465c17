import { mkdir } from "node:fs/promises";
import { PGlite, types } from "@electric-sql/pglite";
import { type Database, parseBigint, type Queryable, type SqlValue } from "./database.ts";
import { lockDirectory } from "./directory-lock.ts";

/**
 * Opens the embedded database: PostgreSQL inside this process, its files in `directory` (made if missing).
 * A write is on disk when its promise resolves.
 *
 * @throws {DatabaseSetupError} when another process has the directory open.
 */
export async function openEmbeddedDatabase(directory: string): Promise<Database> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(directory);
  let db: PGlite;
  try {
    db = await PGlite.create(`${directory}/pgdata`, {
      parsers: { [types.INT8]: parseBigint, [types.DATE]: (text) => text },
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
