import { Socket } from "node:net";
import pg from "pg";
import { exactInteger } from "../exact-integer.ts";
import { within } from "../within.ts";
import { type ConnectionCounts, DatabaseUnavailableError } from "./database.ts";

/** Options for the connections to PostgreSQL. */
export interface ConnectionOptions {
  readonly maxConnections: number;
  /** Milliseconds in which a connection must be made. */
  readonly connectTimeout: number;
  /** Milliseconds for one statement, and for the wait for a free connection. */
  readonly queryTimeout: number;
  /** True where a pooler is in between, which takes no settings with a connection. */
  readonly pooled: boolean;
  /** Told of faults on idle connections, which no query reports. */
  readonly onConnectionError?: (error: Error) => void;
}

/** Connections to one PostgreSQL. */
export interface Connections {
  /** Lends a connection, for as long as the work takes. */
  use<Result>(work: (client: pg.PoolClient) => Promise<Result>): Promise<Result>;
  /** Marks a connection that is lent as one that is not used again. */
  discard(client: pg.PoolClient): void;
  isDiscarded(client: pg.PoolClient): boolean;
  /** Lends none again of those that there are now: they lead where one of them has failed. */
  retireAll(): void;
  count(): ConnectionCounts;
  close(): Promise<void>;
}

/** Milliseconds of silence after which the system asks whether the other side is still there. */
const KEEP_ALIVE = 10_000;
const BETWEEN_RETIREMENTS = 1_000;
const TIME_TO_CLOSE = 1_000;

/** Makes the connections, each when it is first needed. */
export function createConnections(url: string, options: ConnectionOptions): Connections {
  const { pool, close } = createPool(url, options);
  const discarded = new WeakSet<pg.PoolClient>();
  const generations = new WeakMap<pg.PoolClient, number>();
  let generation = 0;
  let retiredAt = Number.NEGATIVE_INFINITY;
  pool.on("error", (error) => options.onConnectionError?.(error));
  pool.on("connect", (client) => {
    generations.set(client, generation);
    // The pool listens to idle connections alone. One that ends on its way to or from whoever uses it is told of by
    // the query that fails on it; without a listener it would end the process.
    client.on("error", () => undefined);
  });

  const acquire = async (): Promise<pg.PoolClient> => {
    for (;;) {
      const client = await pool.connect().catch((error: unknown) => {
        throw unreachable(error);
      });
      if (generations.get(client) === generation) return client;
      client.release(true);
    }
  };
  return {
    use: async (work) => {
      const client = await acquire();
      try {
        return await work(client);
      } finally {
        client.release(discarded.has(client));
      }
    },
    discard: (client) => {
      discarded.add(client);
    },
    isDiscarded: (client) => discarded.has(client),
    // Where every new one fails as well, connecting anew for each statement would only make it worse.
    retireAll: () => {
      if (performance.now() - retiredAt < BETWEEN_RETIREMENTS) return;
      retiredAt = performance.now();
      generation += 1;
    },
    count: () => ({
      max: options.maxConnections,
      open: pool.totalCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
    close,
  };
}

function createPool(
  url: string,
  { maxConnections, connectTimeout, queryTimeout, pooled }: ConnectionOptions,
): { pool: pg.Pool; close: () => Promise<void> } {
  const sockets = new Set<Socket>();
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: queryTimeout,
    Client: clientWithin(connectTimeout),
    // Statements of a transaction that do not need each other's results are one round trip.
    pipeline: true,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE,
    stream: () => {
      const socket = new Socket();
      sockets.add(socket);
      return socket.once("close", () => sockets.delete(socket));
    },
    application_name: "licentric",
    types: { getTypeParser: typeParser },
    ...(!pooled && {
      // What is left waiting by a process that is gone must not hold up the others for longer than one that is here.
      statement_timeout: queryTimeout,
      idle_in_transaction_session_timeout: queryTimeout,
      // Statements here read few rows of large tables: to compile one took 190 ms of a call under a budget in money.
      options: "-c jit=off",
    }),
  });
  const close = async () => {
    const closed = pool.end().then(() => Promise.all([...sockets].map(ended)));
    // Those that cannot even say goodbye would hold the process.
    await within(TIME_TO_CLOSE, closed, () => {
      for (const socket of sockets) socket.destroy();
    });
  };
  return { pool, close };
}

/** The pool waits for a free connection as long as for a statement, and for a new one as long as is said here. */
function clientWithin(connectTimeout: number): new () => pg.ClientBase {
  return class extends pg.Client {
    constructor(config?: pg.ClientConfig) {
      super({ ...config, connectionTimeoutMillis: connectTimeout });
    }
  };
}

/** The error for what never came to PostgreSQL, or whose answer never came back. */
export function unreachable(error: unknown): DatabaseUnavailableError {
  return new DatabaseUnavailableError(`PostgreSQL cannot be reached: ${reasonOf(error)}`, { cause: error });
}

/** The reason of a failure to connect, in a few words. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}

function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
  });
}

const typeParser: typeof pg.types.getTypeParser = (oid: number, format?: "text" | "binary") => {
  if (oid === pg.types.builtins.INT8) return exactInteger;
  if (oid === pg.types.builtins.DATE) return (text: string) => text;
  return format === "binary" ? pg.types.getTypeParser(oid, "binary") : pg.types.getTypeParser(oid, "text");
};
