import type { TestProject } from "vitest/node";
import { openDatabase } from "../../src/store/open-database.ts";
import { createPostgresDatabase } from "./postgres-server.ts";

/** Makes the tables on PostgreSQL once for a run: a copy of them takes a tenth of the time. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const serverUrl = process.env["LICENTRIC_TEST_DATABASE_URL"];
  if (!serverUrl) return;
  const { name, databaseUrl, remove } = await createPostgresDatabase(serverUrl);
  const db = await openDatabase({ databaseUrl });
  await db.close();
  project.provide("templateDatabase", name);
  return remove;
}
