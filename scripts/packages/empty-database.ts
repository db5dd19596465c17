import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { packDirectory } from "../../packages/server/src/store/directory-image.ts";
import { openEmbeddedDatabase } from "../../packages/server/src/store/embedded.ts";
import { openDatabase } from "../../packages/server/src/store/open-database.ts";
import { PGDATA } from "../../packages/server/src/store/pgdata.ts";
import { digestOf, filesIn, makeOnce } from "./make-once.ts";
import { packageDirectory } from "./package-sources.ts";

const server = packageDirectory("server");
const cache = join(server, "node_modules/.cache");

/** How far a database is: without any table, or with all of this version's, and no rows of anybody's. */
export type Schema = "none" | "current";

/** A data directory with an empty database, made once for each state of the store: PGlite takes three seconds for it. */
export function emptyDatabase(schema: Schema): Promise<string> {
  return makeOnce(join(cache, "databases"), digestOf(madeOf(), schema), async (into) => {
    const db = await (schema === "none" ? openEmbeddedDatabase(into) : openDatabase({ dataDirectory: into }));
    await db.close();
  });
}

/** Writes the empty database with all tables as the one file that the server's package brings. */
export async function writeEmptyDatabase(file: string): Promise<void> {
  const packed = await makeOnce(join(cache, "database-images"), digestOf(madeOf()), async (into) => {
    await writeFile(join(into, "image"), await packDirectory(join(await emptyDatabase("current"), PGDATA)));
  });
  await copyFile(join(packed, "image"), file);
}

const madeOf = () => [
  ...filesIn(join(server, "src/store")),
  join(server, "node_modules/@electric-sql/pglite/package.json"),
];
