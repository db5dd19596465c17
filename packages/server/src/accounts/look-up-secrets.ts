import { createBatcher } from "../batcher.ts";
import type { Queryable } from "../store/database.ts";
import { hashSecret } from "./secrets.ts";

/**
 * Makes the look-up of a secret by its hash; null where there is none. Nothing is cached, so that what was revoked is
 * refused in every process at once; concurrent requests share one statement.
 *
 * @param statement takes an array of hashes as `$1` and answers a row, with its `secret_hash`, for each that it knows.
 */
export function createSecretLookUp<Row extends { readonly secret_hash: string }>(
  db: Queryable,
  statement: string,
): (secret: string) => Promise<Row | null> {
  const lookUp = createBatcher<string, Row | null>(
    async (hashes) => {
      const rows = await db.query<Row>(statement, [[...new Set(hashes)]]);
      const byHash = new Map(rows.map((row) => [row.secret_hash, row]));
      return hashes.map((hash) => byHash.get(hash) ?? null);
    },
    { maxItems: 1_000, concurrency: 2 },
  );
  return (secret) => lookUp(hashSecret(secret));
}
