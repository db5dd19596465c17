import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseLocation } from "@licentric/server";
import pg from "pg";

/** A kind of database that the rows are measured on. */
export interface DatabaseKind {
  readonly name: "embedded" | "PostgreSQL";
  /** Runs with a new, empty database, which is gone afterwards. */
  withNew<T>(run: (location: DatabaseLocation) => Promise<T>): Promise<T>;
}

/** The embedded database, in a directory for temporary files. */
export const embedded: DatabaseKind = {
  name: "embedded",
  withNew: (run) => withTemporaryDirectory((dataDirectory) => run({ dataDirectory })),
};

/** A PostgreSQL server whose user may create databases. */
export function postgres(serverUrl: string): DatabaseKind {
  return {
    name: "PostgreSQL",
    async withNew(run) {
      const name = `licentric_bench_${randomBytes(6).toString("hex")}`;
      await administer(serverUrl, `CREATE DATABASE ${name}`);
      try {
        const url = new URL(serverUrl);
        url.pathname = `/${name}`;
        return await run({ databaseUrl: url.href });
      } finally {
        await administer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
      }
    },
  };
}

/** The version of a PostgreSQL server. */
export async function postgresVersion(serverUrl: string): Promise<string> {
  const [row] = await administer(serverUrl, "SHOW server_version");
  return String(row?.["server_version"]);
}

/** Runs with a directory that is gone afterwards. */
export async function withTemporaryDirectory<T>(run: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "licentric-bench-"));
  try {
    return await run(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A location as the environment of a process of its own, which reads it by {@link locationFrom}. */
export function toEnvironment(location: DatabaseLocation): Record<string, string> {
  return "databaseUrl" in location
    ? { BENCH_DATABASE_URL: location.databaseUrl }
    : { BENCH_DATA_DIRECTORY: location.dataDirectory };
}

/** The location that the parent process named. */
export function locationFrom(env: NodeJS.ProcessEnv): DatabaseLocation {
  const { BENCH_DATABASE_URL: databaseUrl, BENCH_DATA_DIRECTORY: dataDirectory = "" } = env;
  return databaseUrl ? { databaseUrl } : { dataDirectory };
}

async function administer(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}
