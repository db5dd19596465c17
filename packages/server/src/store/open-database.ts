import type { Database } from "./database.ts";
import { openEmbeddedDatabase } from "./embedded.ts";
import { prepareEvents } from "./event-partitions.ts";
import { guardDatabase } from "./guard-database.ts";
import { migrate } from "./migrate.ts";
import { openPostgres, type PostgresOptions } from "./postgres.ts";

/** Location of the data: a PostgreSQL, with its options, or a directory for the embedded database. */
export type DatabaseLocation =
  | ({ readonly databaseUrl: string } & PostgresOptions)
  | { readonly dataDirectory: string };

/**
 * Opens the database and brings it to this version's schema.
 *
 * @throws {DatabaseSetupError} when it cannot be reached, is in use elsewhere, or is too new; the message says
 * what to do.
 */
export async function openDatabase(location: DatabaseLocation): Promise<Database> {
  const db = guardDatabase(
    await ("databaseUrl" in location
      ? openPostgres(location.databaseUrl, location)
      : openEmbeddedDatabase(location.dataDirectory)),
  );
  try {
    await migrate(db);
    await prepareEvents(db);
  } catch (error) {
    await db.close();
    throw error;
  }
  return db;
}
