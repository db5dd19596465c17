import { randomBytes } from "node:crypto";
import pg from "pg";

/** Makes a database with a new name on a PostgreSQL server, as a copy of another one where its name is given. */
export async function createPostgresDatabase(
  serverUrl: string,
  template?: string,
): Promise<{ name: string; databaseUrl: string; remove: () => Promise<void> }> {
  const name = `licentric_test_${randomBytes(6).toString("hex")}`;
  await administer(
    serverUrl,
    `CREATE DATABASE ${name}${template === undefined ? "" : ` TEMPLATE ${template}`}`,
  );
  const databaseUrl = new URL(serverUrl);
  databaseUrl.pathname = `/${name}`;
  return {
    name,
    databaseUrl: databaseUrl.href,
    remove: () => administer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`),
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
