import pg from "pg";
import {
  type Database,
  DatabaseUnavailableError,
  parseBigint,
  type Queryable,
  type SqlValue,
  sqlState,
} from "./database.ts";

/** A pool's statements and transactions, in the form in which the rest of the server uses a database. */
export function onPool(pool: pg.Pool): Pick<Database, "query" | "transaction" | "script"> {
  return {
    ...runner(pool),
    transaction: (work) => transaction(pool, work),
    script: async (text) => {
      await reachable(() => pool.query(text));
    },
  };
}

async function transaction<T>(pool: pg.Pool, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await reachable(() => pool.connect());
  let broken: Error | undefined;
  const onError = (error: Error) => {
    broken = error;
  };
  client.on("error", onError);
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
    client.off("error", onError);
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
    const state = sqlState(error);
    if (error instanceof Error && (state === undefined || UNAVAILABLE.test(state))) {
      throw new DatabaseUnavailableError(`PostgreSQL cannot be reached: ${reason(error)}`, { cause: error });
    }
    throw error;
  }
}

/** A fault in a few words, also where it is one of several addresses. */
export function reason(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reason).join("; ");
  return error instanceof Error ? error.message : String(error);
}

/** How columns are read: as {@link Queryable.query} says. */
export const typeParser: typeof pg.types.getTypeParser = (oid: number, format?: "text" | "binary") => {
  if (oid === pg.types.builtins.INT8) return parseBigint;
  if (oid === pg.types.builtins.DATE) return (text: string) => text;
  return format === "binary" ? pg.types.getTypeParser(oid, "binary") : pg.types.getTypeParser(oid, "text");
};
