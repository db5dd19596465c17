import pg from "pg";
import { within } from "../within.ts";
import { type Database, DatabaseSetupError } from "./database.ts";
import { type ConnectionOptions, createConnections, reasonOf } from "./postgres-connections.ts";
import { createStatements } from "./postgres-statements.ts";

/** Options for opening a PostgreSQL database. */
export interface PostgresOptions {
  /** Connections kept in the pool. 10 by default. */
  readonly maxConnections?: number;
  /** Milliseconds in which a connection must be made. 2000 by default. */
  readonly connectTimeout?: number;
  /**
   * Milliseconds that one statement may take, and that one waits for a free connection. 5000 by default. The server
   * ends a statement then; a connection on which no answer comes even so is thrown away.
   */
  readonly queryTimeout?: number;
  /**
   * Prepares statements that run often once on each connection, by name. True by default, unless a pooler
   * such as PgBouncer is in between: it may give every statement another connection.
   */
  readonly preparedStatements?: boolean;
  /** Told of faults on idle connections, which no query reports. */
  readonly onConnectionError?: (error: Error) => void;
}

const OLDEST_VERSION = 150_000;
const MAX_CONNECTIONS = 10;
const CONNECT_TIMEOUT = 2_000;
const QUERY_TIMEOUT = 5_000;

/** Tries of the first connection. A server that is busy, or has just started, may take its time, and who starts can wait. */
const FIRST_TRIES = 3;

/**
 * Opens PostgreSQL 15 or newer.
 *
 * @throws {DatabaseSetupError} when it cannot be reached or is too old. The message never has the password.
 */
export async function openPostgres(url: string, options: PostgresOptions = {}): Promise<Database> {
  const limits = {
    connectTimeout: options.connectTimeout ?? CONNECT_TIMEOUT,
    queryTimeout: options.queryTimeout ?? QUERY_TIMEOUT,
  };
  const { version, pooled } = await askServer(url, limits);
  if (version < OLDEST_VERSION) {
    throw new DatabaseSetupError(`PostgreSQL at ${describe(url)} is too old. Version 15 or newer is needed.`);
  }
  const { maxConnections = MAX_CONNECTIONS, preparedStatements = !pooled, onConnectionError } = options;
  const connections = createConnections(url, {
    ...limits,
    maxConnections,
    pooled,
    ...(onConnectionError && { onConnectionError }),
  });
  return {
    kind: "postgres",
    directory: null,
    connections: () => connections.count(),
    ...createStatements(connections, { ...limits, preparedStatements, pooled }),
    close: () => connections.close(),
  };
}

type Limits = Pick<ConnectionOptions, "connectTimeout" | "queryTimeout">;

interface Asked {
  readonly version: number;
  readonly pooled: boolean;
}

/** Asks the server which version it is, once more where it did not answer in time. */
async function askServer(url: string, limits: Limits): Promise<Asked> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask(url, limits);
    } catch (error) {
      const isLate = error instanceof DatabaseSetupError && /timeout/i.test(reasonOf(error.cause));
      if (!isLate || tries === FIRST_TRIES) throw error;
    }
  }
}

/** A pooler shows itself by a process id that is not the server's. */
async function ask(url: string, { connectTimeout, queryTimeout }: Limits): Promise<Asked> {
  let client: pg.Client | undefined;
  try {
    client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: connectTimeout,
      query_timeout: queryTimeout,
      application_name: "licentric",
    });
    client.on("error", () => undefined);
    await client.connect();
    const { rows } = await client.query<{ version: string; pid: number }>(
      "SELECT current_setting('server_version_num') AS version, pg_backend_pid() AS pid",
    );
    const told = "processID" in client ? client.processID : undefined;
    return { version: Number(rows[0]?.version), pooled: rows[0]?.pid !== told };
  } catch (error) {
    throw new DatabaseSetupError(
      `Cannot use PostgreSQL at ${describe(url)}: ${reasonOf(error)}. Check DATABASE_URL and that the server is ` +
        "running, or leave DATABASE_URL out to use the embedded database.",
      { cause: error },
    );
  } finally {
    const { connection } = client ?? {};
    if (client !== undefined) await within(connectTimeout, client.end(), () => connection?.stream.destroy());
  }
}

function describe(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname || "the local socket"}:${port || 5432}${pathname}`;
  } catch {
    return "DATABASE_URL (which is not a URL; write postgres://user:password@host:5432/database)";
  }
}
