import type { Database, DatabaseLocation, DatabaseState } from "@licentric/server";
import { usageError } from "./exit-codes.ts";

/** Returns the reason why a database cannot be worked on by itself, which names it. */
function unusable(state: Exclude<DatabaseState, "current">, database: string): string {
  switch (state) {
    case "empty":
      return `There is no database of Licentric's in ${database}. Name it with --database-url or --data-dir.`;
    case "older":
      return `The database in ${database} is of an older version. Start the API once, which brings it to this version.`;
    case "newer":
      return `The database in ${database} is of a newer version. Update licentric.`;
    case "in-use":
      return `${database} is open in another process, and the embedded database takes one. Stop the API first, or check a backup of it, restored.`;
  }
}

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
  if (state !== "current") {
    const named = "dataDirectory" in location ? location.dataDirectory : new URL(location.databaseUrl).host;
    throw usageError(unusable(state, named));
  }
  const db = await openDatabase(location);
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}
