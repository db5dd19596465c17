import { DatabaseSetupError, type Queryable } from "./database.ts";
import { lockDirectory } from "./directory-lock.ts";
import { openEmbeddedDatabase } from "./embedded.ts";
import { isTooNew, migrations, readSchema } from "./migrate.ts";
import type { DatabaseLocation } from "./open-database.ts";
import { hasDatabase } from "./pgdata.ts";
import { openPostgres } from "./postgres.ts";

/**
 * State of the database at a {@link DatabaseLocation}: nothing of Licentric's yet (`empty`), a schema that a
 * start brings to this version (`older`), one that this version uses (`current`), or one that only a newer
 * server can (`newer`); `in-use` is an embedded database that another process has open, most likely the
 * server.
 */
export type DatabaseState = "empty" | "older" | "current" | "newer" | "in-use";

/**
 * Looks at a database and changes nothing: no directory, no schema, no row is made.
 *
 * @throws {DatabaseSetupError} when PostgreSQL cannot be reached or is too old, or the embedded database is damaged;
 * the message says what to do.
 *
 * @example
 * ```ts
 * const state = await inspectDatabase({ dataDirectory: "./data" });
 * if (state === "newer") console.log("update @licentric/server before you start it");
 * ```
 */
export async function inspectDatabase(location: DatabaseLocation): Promise<DatabaseState> {
  if ("databaseUrl" in location) {
    const db = await openPostgres(location.databaseUrl, { ...location, maxConnections: 1 });
    try {
      return await schemaState(db);
    } finally {
      await db.close();
    }
  }
  const { dataDirectory } = location;
  if (!(await hasDatabase(dataDirectory))) return "empty";
  if (await isLocked(dataDirectory)) return "in-use";
  const db = await openEmbeddedDatabase(dataDirectory);
  try {
    return await schemaState(db);
  } finally {
    await db.close();
  }
}

async function schemaState(db: Queryable): Promise<DatabaseState> {
  const [table] = await db.query<{ there: boolean }>(
    "SELECT to_regclass('schema_version') IS NOT NULL AS there",
  );
  if (!table?.there) return "empty";
  const schema = await readSchema(db);
  if (schema === undefined) return "empty";
  if (isTooNew(schema)) return "newer";
  return schema.version < migrations.length ? "older" : "current";
}

async function isLocked(directory: string): Promise<boolean> {
  try {
    const unlock = await lockDirectory(directory);
    await unlock();
    return false;
  } catch (error) {
    if (error instanceof DatabaseSetupError) return true;
    throw error;
  }
}
