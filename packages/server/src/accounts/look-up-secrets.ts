import { createBatcher } from "../batcher.ts";
import type { Queryable } from "../store/database.ts";

/** Milliseconds for which a credential that was found good is taken to be good still. */
export const TRUSTED_FOR = 250;

const MOST_KEPT = 100_000;

/** Looks credentials up by their hashes. */
export interface SecretLookUp<Row> {
  /** The row of a hash; null where there is none. */
  find(hash: string): Promise<Row | null>;
  /** Makes the next `find` of every hash ask the database. */
  forget(): void;
}

/** Options for looking up credentials. */
export interface SecretLookUpOptions<Row> {
  /** Takes an array of hashes as `$1` and answers a row, with its `secret_hash`, for each that it knows. */
  readonly statement: string;
  /**
   * Returns true where a row lets its holder in. One that does not is looked up each time: it may have been
   * let in since.
   */
  readonly isGood: (row: Row) => boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number;
}

/**
 * Makes the look-up. Concurrent requests share one statement, and those of the next quarter of a second its answer.
 *
 * That bounds by time alone how long a credential can be used after another process revoked it, whatever becomes of
 * the connection to the database: a row is as old as the moment at which it was asked for, not at which it came. The
 * process that made the change forgets all rows, also those that are on their way, before it answers.
 */
export function createSecretLookUp<Row extends { readonly secret_hash: string }>(
  db: Queryable,
  { statement, isGood, clock = () => performance.now() }: SecretLookUpOptions<Row>,
): SecretLookUp<Row> {
  let kept = new Map<string, { readonly row: Row; readonly until: number }>();
  const ask = createBatcher<string, Row | null>(
    async (hashes) => {
      const into = kept;
      const until = clock() + TRUSTED_FOR;
      const rows = await db.query<Row>(statement, [[...new Set(hashes)]]);
      const byHash = new Map(rows.map((row) => [row.secret_hash, row]));
      if (into.size + rows.length > MOST_KEPT) into.clear();
      for (const row of rows) if (isGood(row)) into.set(row.secret_hash, { row, until });
      return hashes.map((hash) => byHash.get(hash) ?? null);
    },
    { maxItems: 1_000, concurrency: 2 },
  );
  return {
    async find(hash) {
      const known = kept.get(hash);
      return known !== undefined && clock() < known.until ? known.row : ask(hash);
    },
    forget() {
      kept = new Map();
    },
  };
}
