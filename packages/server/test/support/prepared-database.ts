import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestOf, filesIn, makeOnce } from "../../../../scripts/packages/make-once.ts";
import { openEmbeddedDatabase } from "../../src/store/embedded.ts";
import { openDatabase } from "../../src/store/open-database.ts";

const server = fileURLToPath(new URL("../..", import.meta.url));

/** How far a prepared database is: without any table, or with all of this version's, and no rows of anybody's. */
export type Schema = "none" | "current";

/**
 * A data directory to be copied, made once: PGlite makes a new database in three seconds, and opens one that is there
 * in a quarter of a second.
 */
function preparedDatabase(schema: Schema): Promise<string> {
  const madeOf = [
    ...filesIn(join(server, "src/store")),
    join(server, "node_modules/@electric-sql/pglite/package.json"),
  ];
  return makeOnce(join(server, "node_modules/.cache/databases"), digestOf(madeOf, schema), async (into) => {
    const db = await (schema === "none" ? openEmbeddedDatabase(into) : openDatabase({ dataDirectory: into }));
    await db.close();
  });
}

/**
 * Fills a data directory with an embedded database as this version makes it, for a test that is not about how that is
 * done. The directory is made if it is missing.
 */
export async function prepareDatabase(dataDirectory: string, schema: Schema = "current"): Promise<void> {
  // A thousand small files: one by one in another thread, each takes three times as long.
  cpSync(await preparedDatabase(schema), dataDirectory, { recursive: true });
}
