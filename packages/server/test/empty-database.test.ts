import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { emptyDatabase, writeEmptyDatabase } from "../../../scripts/packages/empty-database.ts";
import type { Database } from "../src/store/database.ts";
import { packDirectory, unpackDirectory } from "../src/store/directory-image.ts";
import { openDatabase } from "../src/store/open-database.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-empty-database-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Everything that a database is, but for what differs between any two: times, and identifiers of its own. */
const DUMP = [
  `SELECT table_schema, table_name, column_name, ordinal_position, data_type, udt_name, is_nullable, column_default,
     character_maximum_length, numeric_precision, numeric_scale, is_generated, generation_expression, is_identity
   FROM information_schema.columns ORDER BY 1, 2, 4`,
  `SELECT conrelid::regclass::text AS table, conname, pg_get_constraintdef(oid) AS definition
   FROM pg_constraint ORDER BY 1, 2, 3`,
  `SELECT schemaname, tablename, indexname, indexdef FROM pg_indexes ORDER BY 1, 2, 3`,
  `SELECT n.nspname, p.proname, pg_get_function_identity_arguments(p.oid) AS takes, p.prosrc
   FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace ORDER BY 1, 2, 3`,
  `SELECT tgrelid::regclass::text AS table, tgname, pg_get_triggerdef(oid) AS definition FROM pg_trigger ORDER BY 1, 2`,
  `SELECT viewname, definition FROM pg_views ORDER BY 1, 2`,
  `SELECT typname, typtype FROM pg_type ORDER BY 1, 2`,
  `SELECT extname, extversion FROM pg_extension ORDER BY 1`,
  `SELECT rolname, rolsuper, rolcanlogin FROM pg_roles ORDER BY 1`,
  `SELECT datname, pg_encoding_to_char(encoding) AS encoding, datcollate, datctype FROM pg_database ORDER BY 1`,
  `SELECT name, setting FROM pg_settings ORDER BY 1`,
];

async function dump(db: Database): Promise<unknown[]> {
  const parts: unknown[] = [];
  // Its settings are there once a connection has used it, as migrations do.
  await db.query("LOAD 'plpgsql'");
  for (const query of DUMP) parts.push(await db.query(query));
  const tables = await db.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1",
  );
  expect(tables.length).toBeGreaterThan(10);
  for (const { name } of tables)
    parts.push([name, await db.query(`SELECT to_jsonb(t) AS row FROM "${name}" t ORDER BY 1`)]);
  return parts;
}

async function dumpAt(dataDirectory: string): Promise<unknown[]> {
  const db = await openDatabase({ dataDirectory });
  try {
    return await dump(db);
  } finally {
    await db.close();
  }
}

/** Makes a data directory of an image. */
async function unpackInto(dataDirectory: string, image: Uint8Array): Promise<void> {
  await mkdir(dataDirectory, { mode: 0o700 });
  await unpackDirectory(image, join(dataDirectory, "pgdata"));
}

/** The rights that files and folders of a directory have. */
async function rights(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const found = entries.map(async (entry) => {
    const { mode } = await stat(join(entry.parentPath, entry.name));
    return `${entry.isDirectory() ? "folder" : "file"} ${(mode & 0o777).toString(8)}`;
  });
  return [...new Set(await Promise.all(found))].toSorted();
}

it("is, out of the package, what PostgreSQL and all migrations make of nothing", async () => {
  const made = join(directory, "made");
  // Run from its sources, the server has no image beside it.
  const ofNothing = await dumpAt(made);

  const image = join(directory, "empty-database.br");
  await writeEmptyDatabase(image);
  const ofImage = join(directory, "of-image");
  await unpackInto(ofImage, await readFile(image));
  expect(await rights(join(ofImage, "pgdata"))).toEqual(["file 600", "folder 700"]);
  expect(await dumpAt(ofImage)).toEqual(ofNothing);
}, 300_000);

it("gets the migrations that came after it", async () => {
  const older = join(directory, "older");
  await unpackInto(older, await packDirectory(join(await emptyDatabase("none"), "pgdata")));
  const current = join(directory, "current");
  await unpackInto(current, await packDirectory(join(await emptyDatabase("current"), "pgdata")));
  expect(await dumpAt(older)).toEqual(await dumpAt(current));
}, 300_000);
