import { randomBytes } from "node:crypto";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { inject } from "vitest";
import type { DatabaseLocation } from "../../src/store/open-database.ts";

/** One kind of database that the suite runs on. */
export interface TestDatabase {
  readonly name: "embedded" | "PostgreSQL";
  /** A place for a new, empty database, and how to remove it. */
  create(): Promise<{ location: DatabaseLocation; remove: () => Promise<void> }>;
}

const embedded: TestDatabase = {
  name: "embedded",
  create: async () => {
    const dataDirectory = await mkdtemp(join(tmpdir(), "licentric-test-"));
    await cp(inject("emptyDatabase"), dataDirectory, { recursive: true });
    return { location: { dataDirectory }, remove: () => rm(dataDirectory, { recursive: true, force: true }) };
  },
};

/** A server that cannot be reached fails the suite: a test that was meant to run must not pass by being left out. */
function postgres(serverUrl: string): TestDatabase {
  return {
    name: "PostgreSQL",
    create: async () => {
      const name = `licentric_test_${randomBytes(6).toString("hex")}`;
      await administer(serverUrl, `CREATE DATABASE ${name}`);
      const databaseUrl = new URL(serverUrl);
      databaseUrl.pathname = `/${name}`;
      return {
        location: { databaseUrl: databaseUrl.href },
        remove: () => administer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`),
      };
    },
  };
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

const serverUrl = process.env["LICENTRIC_TEST_DATABASE_URL"];

/** The embedded database and, where `LICENTRIC_TEST_DATABASE_URL` names a server, PostgreSQL. */
export const databases: readonly TestDatabase[] = serverUrl ? [embedded, postgres(serverUrl)] : [embedded];
