import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { PGlite } from "@electric-sql/pglite";
import { takeDataDirectory } from "./data-directory.ts";
import type { Database, Queryable, SqlValue } from "./database.ts";
import { secureTree } from "./durable-files.ts";
import { hasDatabase, makeDatabase, PGDATA, startDatabase } from "./pgdata.ts";
import { SupervisedPostgres } from "./supervised-postgres.ts";

/**
 * Opens the embedded database: PostgreSQL inside this process, its files in `directory` (made if missing), for their
 * owner alone. A write is on the disk when its promise resolves, and survives a power cut.
 *
 * @throws {DatabaseSetupError} when another process has the directory open, it cannot be made or written to, or what
 * is in it is damaged.
 */
export async function openEmbeddedDatabase(directory: string): Promise<Database> {
  const unlock = await takeDataDirectory(directory);
  try {
    if (!(await hasDatabase(directory))) await makeDatabase(directory);
    else await secureOlder(join(directory, PGDATA));
    return database(directory, new SupervisedPostgres(directory, await startDatabase(directory)), unlock);
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** Earlier versions left their files open to others, and to the next power cut. */
async function secureOlder(files: string): Promise<void> {
  if (process.platform !== "win32" && ((await stat(files)).mode & 0o077) !== 0) await secureTree(files);
}

function database(directory: string, supervised: SupervisedPostgres, unlock: () => Promise<void>): Database {
  return {
    kind: "embedded",
    directory,
    query: (text, values) => supervised.use((postgres) => runner(postgres).query(text, values)),
    transaction: (work) => supervised.use((postgres) => postgres.transaction((tx) => work(runner(tx)))),
    script: (text) =>
      supervised.use(async (postgres) => {
        await postgres.exec(text);
      }),
    maintain: async (statement) => {
      await supervised.use((postgres) => postgres.query(statement));
    },
    close: async () => {
      await supervised.close();
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
