import { type Database, type Queryable, statementName } from "./database.ts";

/** Told of each statement by its name, and of each transaction as `transaction`, when it has ended. */
export type OnQuery = (statement: string, milliseconds: number, error: unknown) => void;

/**
 * Times each statement and each transaction of a database. A time includes the wait for a free connection, and what is
 * run again after it was rolled back counts once.
 */
export function measureDatabase(db: Database, onQuery: OnQuery): Database {
  const timed = async <Result>(name: string, run: () => Promise<Result>): Promise<Result> => {
    const started = performance.now();
    let failure: unknown;
    try {
      return await run();
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      onQuery(name, performance.now() - started, failure);
    }
  };
  const measured = (queryable: Queryable): Queryable => ({
    query: (text, values) => timed(statementName(text) ?? "other", () => queryable.query(text, values)),
  });
  const { kind, directory, connections } = db;
  return {
    kind,
    directory,
    ...(connections && { connections }),
    ...measured(db),
    transaction: (work, options) =>
      timed("transaction", () => db.transaction((tx) => work(measured(tx)), options)),
    script: (text) => timed("script", () => db.script(text)),
    maintain: (statement) => db.maintain(statement),
    close: () => db.close(),
  };
}
