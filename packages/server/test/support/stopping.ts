import type { Database, Queryable } from "../../src/store/database.ts";

/**
 * A database, as a process sees it that is stopped between two statements.
 *
 * @param before is called before each statement; what it throws ends the process.
 */
export function stopping(db: Database, before: () => void): Database {
  const through = (queryable: Queryable): Queryable => ({
    query: async (text, values) => {
      before();
      return queryable.query(text, values);
    },
  });
  return {
    ...db,
    ...through(db),
    transaction: (work, options) => db.transaction((tx) => work(through(tx)), options),
    maintain: async (statement) => {
      before();
      await db.maintain(statement);
    },
  };
}
