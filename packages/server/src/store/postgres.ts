import pg from "pg";
import { exactInteger, InexactNumberError } from "../exact-integer.ts";
import {
  type Database,
  DatabaseSetupError,
  DatabaseUnavailableError,
  type Queryable,
  type SqlValue,
  sqlState,
} from "./database.ts";

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
  // The pool listens to idle connections alone. One that ends on its way to or from whoever uses it is told of by the
  // query that fails on it; without a listener it would end the process.
  pool.on("connect", (client) => client.on("error", () => undefined));

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
    ...runner(pool),
    transaction: (work) => transaction(pool, work),
    script: async (text) => {
      await reachable(() => pool.query(text));
    },
    close: () => pool.end(),
  };
}

async function transaction<T>(pool: pg.Pool, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await reachable(() => pool.connect());
  let broken: Error | undefined;
  try {
    const tx = runner(client);
    await tx.query("BEGIN");
    try {
      const result = await work(tx);
      await tx.query("COMMIT");
      return result;
    } catch (error) {
      // The first error is the one to report; a connection that cannot roll back is thrown away below.
      await client.query("ROLLBACK").catch((rollbackError: Error) => {
        broken = rollbackError;
      });
      throw error;
    }
  } finally {
    client.release(broken);
  }
}

function runner(connection: { query: pg.Pool["query"] }): Queryable {
  return {
    query: async <Row>(text: string, values: readonly SqlValue[] = []) => {
      const result = await reachable(() =>
        connection.query({ text, values: [...values], ...prepared(text) }),
      );
      return result.rows as Row[];
    },
  };
}

/**
 * Statements that begin with a comment of one word, their name, run often enough to be prepared once per connection.
 */
function prepared(text: string): { name?: string } {
  const name = /^\s*\/\* ([\w-]+) \*\//.exec(text)?.[1];
  return name === undefined ? {} : { name };
}

/** SQLSTATE classes that mean "not now": connection faults, shutdown, too many connections. */
const UNAVAILABLE = /^(08|57P|53)/;

async function reachable<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof InexactNumberError) throw error;
    const state = sqlState(error);
    if (error instanceof Error && (state === undefined || UNAVAILABLE.test(state))) {
      throw new DatabaseUnavailableError(`PostgreSQL cannot be reached: ${reason(error)}`, { cause: error });
    }
    throw error;
  }
}

function reason(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reason).join("; ");
  return error instanceof Error ? error.message : String(error);
}

function describe(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname || "the local socket"}:${port || 5432}${pathname}`;
  } catch {
    return "DATABASE_URL (which is not a URL; write postgres://user:password@host:5432/database)";
  }
}

const typeParser: typeof pg.types.getTypeParser = (oid: number, format?: "text" | "binary") => {
  if (oid === pg.types.builtins.INT8) return exactInteger;
  if (oid === pg.types.builtins.DATE) return (text: string) => text;
  return format === "binary" ? pg.types.getTypeParser(oid, "binary") : pg.types.getTypeParser(oid, "text");
};
