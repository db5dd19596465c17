import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, inject } from "vitest";
import type { Schema } from "../../../../scripts/packages/empty-database.ts";
import type { DatabaseLocation } from "../../src/store/open-database.ts";
import { createPostgresDatabase } from "./postgres-server.ts";
import { prepareDatabase } from "./prepared-database.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A database on the PostgreSQL of the tests that has this version's tables and no rows; undefined without one. */
    readonly templateDatabase: string | undefined;
  }
}

/** One kind of database that the suite runs on. */
export interface TestDatabase {
  readonly name: "embedded" | "PostgreSQL";
  /**
   * A place for a new database, and how to remove it. It has no table; where a test begins with those of this version,
   * it may ask for them, and get them where that is quicker than making them.
   */
  create(schema?: Schema): Promise<{ location: DatabaseLocation; remove: () => Promise<void> }>;
}

export const embedded: TestDatabase = {
  name: "embedded",
  create: async (schema = "none") => {
    const dataDirectory = await mkdtemp(join(tmpdir(), "licentric-test-"));
    await prepareDatabase(dataDirectory, schema);
    return { location: { dataDirectory }, remove: () => rm(dataDirectory, { recursive: true, force: true }) };
  },
};

const serverUrl = process.env["LICENTRIC_TEST_DATABASE_URL"];

/** A server that cannot be reached fails the suite: a test that was meant to run must not pass by being left out. */
const postgres: TestDatabase = {
  name: "PostgreSQL",
  create: async (schema = "none") => {
    if (!serverUrl) throw new Error("set LICENTRIC_TEST_DATABASE_URL to a PostgreSQL to test on");
    const template = schema === "current" ? inject("templateDatabase") : undefined;
    const { databaseUrl, remove } = await createPostgresDatabase(serverUrl, template);
    return { location: { databaseUrl }, remove };
  },
};

type DatabaseSuite = (title: string, tests: (database: TestDatabase) => void) => void;

/**
 * Describes what must hold on PostgreSQL. Where `LICENTRIC_TEST_DATABASE_URL` names no server, the tests are there
 * all the same, and skipped by name.
 */
export const describeOnPostgres: DatabaseSuite = (title, tests) =>
  describe.skipIf(!serverUrl)(title.replace("$name", postgres.name), () => tests(postgres));

/** Describes what must hold on each database. `$name` in the title stands for its name. */
export const describeOnEachDatabase: DatabaseSuite = (title, tests) => {
  describe(title.replace("$name", embedded.name), () => tests(embedded));
  describeOnPostgres(title, tests);
};
