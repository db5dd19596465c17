import type { Database, DatabaseLocation, DatabaseState } from "@licentric/server";
import { usageError } from "./exit-codes.ts";

/** The reasons why a database cannot be worked on by itself, by its state. */
const UNUSABLE: Readonly<Record<Exclude<DatabaseState, "current">, string>> = {
  empty: "There is no database of Licentric's there. Name it with --database-url or --data-dir.",
  older: "The database is of an older version. Start the API once, which brings it to this version.",
  newer: "The database is of a newer version. Update licentric.",
  "in-use":
    "The data directory is open in another process. Stop the API first, or check a backup of it, restored.",
};

/**
 * Works on the database itself, beside the API where that is on PostgreSQL.
 *
 * @throws CommandError where it is not there, in use, or of another version: then nothing is changed
 */
export async function withCurrentDatabase<Result>(
  location: DatabaseLocation,
  work: (db: Database) => Promise<Result>,
): Promise<Result> {
  const { inspectDatabase, openDatabase } = await import("@licentric/server");
  const state = await inspectDatabase(location);
  if (state !== "current") throw usageError(UNUSABLE[state]);
  const db = await openDatabase(location);
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}
