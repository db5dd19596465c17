import type pg from "pg";
import { InexactNumberError } from "../exact-integer.ts";
import { type Database, type Queryable, type SqlValue, sqlState, statementName } from "./database.ts";
import { isStaleStatement, isUnknownStatement } from "./machine-faults.ts";
import { type Connections, unreachable } from "./postgres-connections.ts";

/** Options for running statements. */
export interface StatementOptions {
  /** Milliseconds for one statement. */
  readonly queryTimeout: number;
  /** True where statements that have a name are prepared by it. */
  readonly preparedStatements: boolean;
  /** True where a pooler is in between, whose connections keep no settings. */
  readonly pooled: boolean;
}

/** The server's own limit comes first: what it ends is known to be undone, and its connection goes on. */
const AFTER_SERVER = 500;

/** Runs statements and transactions. A connection that gave no answer in time is thrown away with what it was asked. */
export function createStatements(
  connections: Connections,
  { queryTimeout, preparedStatements, pooled }: StatementOptions,
): Pick<Database, "query" | "transaction" | "script" | "maintain"> {
  const run = createRunner(connections, preparedStatements);
  return {
    query: (text, values = []) => connections.use((client) => run(client, text, values, queryTimeout)),
    transaction: (work, { queryTimeout: limit = queryTimeout, readsFirst = false } = {}) =>
      connections.use(async (client) => {
        const { tx, begun, send } = beginTransaction(run, client, limit);
        try {
          if (!readsFirst) await begun;
          if (limit !== queryTimeout) for (const setting of limitsOf(limit)) await tx.query(setting);
          const result = await work(tx);
          await tx.query("COMMIT");
          return result;
        } catch (error) {
          // The first error is the one to report.
          if (!connections.isDiscarded(client)) {
            await send("ROLLBACK").catch(() => connections.discard(client));
          }
          throw error;
        }
      }),
    script: async (text) => {
      await connections.use((client) => run(client, text, [], 0));
    },
    maintain: (statement) =>
      connections.use(async (client) => {
        // The limit is the connection's own, which is not used for anything after this.
        if (!pooled) {
          connections.discard(client);
          await run(client, "SET statement_timeout = 0", [], queryTimeout);
        }
        await run(client, statement, [], 0);
      }),
  };
}

/**
 * Returns the settings that give a transaction another limit: for each statement, and for what its process
 * does between two of them.
 */
function limitsOf(limit: number): string[] {
  const settings = ["statement_timeout", "idle_in_transaction_session_timeout"];
  return settings.map((setting) => `SET LOCAL ${setting} = ${Math.trunc(limit)}`);
}

/**
 * Sends `BEGIN`. Statements that are asked for at once are sent at once, and run one after another. None has a result
 * before `BEGIN` has: whoever waits for one before a change changes nothing outside of the transaction.
 */
function beginTransaction(run: Run, client: pg.PoolClient, limit: number) {
  let inFlight = 0;
  // The server's limit is for each statement; the time of one that is sent ahead has that of those before it in it.
  const send = async <Row>(text: string, values: readonly SqlValue[] = []) => {
    inFlight += 1;
    try {
      return await run<Row>(client, text, values, limit * inFlight);
    } finally {
      inFlight -= 1;
    }
  };
  const begun = send("BEGIN");
  begun.catch(() => undefined);
  const tx: Queryable = {
    query: async <Row>(text: string, values?: readonly SqlValue[]) => {
      const [rows] = await Promise.all([send<Row>(text, values), begun]);
      return rows;
    },
  };
  return { tx, begun, send };
}

type Run = <Row>(
  client: pg.PoolClient,
  text: string,
  values: readonly SqlValue[],
  limit: number,
) => Promise<Row[]>;

function createRunner(connections: Connections, preparedStatements: boolean): Run {
  let byName = preparedStatements;
  /** Notes what a failure says about the connection. */
  const failed = (client: pg.PoolClient, error: unknown): unknown => {
    if (error instanceof InexactNumberError) return error;
    const state = sqlState(error);
    const silent = state === undefined;
    // Moved to a server that takes no changes, or away from what was prepared: as all the others will have been.
    const misled = state === "25006" || isStaleStatement(error);
    if (silent || misled) connections.retireAll();
    if (isUnknownStatement(error)) byName = false;
    const lost = silent || ENDED.test(state);
    if (lost || misled) connections.discard(client);
    return lost ? unreachable(error) : error;
  };
  return async <Row>(client: pg.PoolClient, text: string, values: readonly SqlValue[], limit: number) => {
    try {
      const { rows } = await client.query<Row & pg.QueryResultRow>({
        text,
        values: [...values],
        ...(byName && named(text)),
        ...(limit > 0 && { query_timeout: limit + AFTER_SERVER }),
      });
      return rows;
    } catch (error) {
      throw failed(client, error);
    }
  };
}

/** SQLSTATEs with which the server ends the connection. */
const ENDED = /^(08|57P)/;

/** Statements with a name run often enough to be prepared once per connection. */
function named(text: string): { name?: string } {
  const name = statementName(text);
  return name === undefined ? {} : { name };
}
