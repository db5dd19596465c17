import pg from "pg";
import { type Database, DatabaseSetupError } from "./database.ts";
import { onPool, reason, typeParser } from "./pooled.ts";

/** How a PostgreSQL database is opened. */
export interface PostgresOptions {
  /** Connections kept in the pool. 10 by default. */
  readonly maxConnections?: number;
  /** Milliseconds to wait for a connection. 5000 by default. */
  readonly connectTimeout?: number;
  /** Told of faults on idle connections, which no query reports. */
  readonly onConnectionError?: (error: Error) => void;
}

const OLDEST_VERSION = 150_000;

/**
 * Opens PostgreSQL 15 or newer.
 *
 * @throws {DatabaseSetupError} when it cannot be reached or is too old. The message never has the password.
 */
export async function openPostgres(url: string, options: PostgresOptions = {}): Promise<Database> {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.maxConnections ?? 10,
    connectionTimeoutMillis: options.connectTimeout ?? 5_000,
    application_name: "licentric",
    types: { getTypeParser: typeParser },
  });
  pool.on("error", (error) => options.onConnectionError?.(error));

  try {
    const { rows } = await pool.query<{ version: string }>(
      "SELECT current_setting('server_version_num') AS version",
    );
    if (Number(rows[0]?.version) < OLDEST_VERSION) {
      throw new DatabaseSetupError(
        `PostgreSQL at ${describe(url)} is too old. Version 15 or newer is needed.`,
      );
    }
  } catch (error) {
    await pool.end();
    if (error instanceof DatabaseSetupError) throw error;
    throw new DatabaseSetupError(
      `Cannot use PostgreSQL at ${describe(url)}: ${reason(error)}. Check DATABASE_URL and that the server is ` +
        "running, or leave DATABASE_URL out to use the embedded database.",
    );
  }

  return {
    kind: "postgres",
    directory: null,
    ...onPool(pool),
    close: () => pool.end(),
  };
}

function describe(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname || "the local socket"}:${port || 5432}${pathname}`;
  } catch {
    return "DATABASE_URL (which is not a URL; write postgres://user:password@host:5432/database)";
  }
}
