import { describe, expect, it } from "vitest";
import { migrations, USABLE_FROM } from "../src/store/migrate.ts";
import { startTestApi, type TestApi } from "./support/api.ts";
import { describeOnPostgres } from "./support/databases.ts";
import { findBreaking } from "./support/find-breaking.ts";
import { pathParameters, registeredRoutes, routeTable } from "./support/route-table.ts";
import { createTenant, type Tenant } from "./support/tenant.ts";

describe("migrations", () => {
  it("only add to what servers of the oldest version that can be beside them know", () => {
    // Whoever must take something away raises USABLE_FROM to that migration: the release notes say what to stop first.
    expect(findBreaking(migrations.slice(USABLE_FROM))).toEqual([]);
  });

  it("are known by what they take away", () => {
    expect(findBreaking(migrations.slice(3, 4))).toEqual([
      "ALTER COLUMN actor DROP DEFAULT",
      "ALTER COLUMN key_id DROP NOT NULL",
      "ALTER COLUMN request_id DROP NOT NULL",
      "ADD CHECK ((actor = 'key') = (key_id IS NOT NULL))",
    ]);
    expect(findBreaking(migrations.slice(2, 3))).toContain("DROP INDEX invoices_once");
  });

  it.each([
    ["ALTER TABLE a ADD COLUMN b text NOT NULL"],
    ["ALTER TABLE a ADD COLUMN b text UNIQUE"],
    ["ALTER TABLE a DROP COLUMN b"],
    ["ALTER TABLE a RENAME COLUMN b TO c"],
    ["ALTER TABLE a ALTER COLUMN b TYPE bigint"],
    ["ALTER TABLE a ADD UNIQUE (b, c)"],
    ["CREATE UNIQUE INDEX ON a (b)"],
    ["DROP TABLE a"],
    ["DELETE FROM a"],
    ["CREATE TABLE n (id uuid); ALTER TABLE a ADD COLUMN b text, DROP COLUMN c"],
  ])("that are known to break: %s", (script) => {
    expect(findBreaking([script])).toHaveLength(1);
  });

  it.each([
    ["ALTER TABLE a ADD COLUMN b numeric(3, 2), ADD COLUMN c int NOT NULL DEFAULT 0"],
    ["CREATE INDEX ON a (b); UPDATE a SET b = 1"],
    [
      "-- DROP TABLE a;\nCREATE TABLE n (id uuid, x int); CREATE UNIQUE INDEX n_x ON n (x); ALTER TABLE n DROP COLUMN x",
    ],
  ])("that are known to add: %s", (script) => {
    expect(findBreaking([script])).toEqual([]);
  });
});

describeOnPostgres("a rolling upgrade on $name", (database) => {
  it("leaves a server of the version before at work, and lets it be started again", async () => {
    const api = await startTestApi(database, { allowPrivateWebhooks: true });
    try {
      const registered = await registeredRoutes(api);
      const before = await createTenant(api, await api.createAccount(), "test", registered);
      await readEverything(api, before);

      await migrateFurther(api);
      await readEverything(api, before);
      const after = await createTenant(api, await api.createAccount(), "test", registered);
      await readEverything(api, after);

      await api.restart();
      await readEverything(api, after);
      expect(await api.call("GET", "/readyz")).toMatchObject({ status: 200 });
    } finally {
      await api.close();
    }
  }, 120_000);
});

/** What a newer version may do: columns and an index in every table, and a table of its own. */
async function migrateFurther({ db }: TestApi): Promise<void> {
  const tables = await db.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
       AND relname <> 'schema_version'`,
  );
  expect(tables.length).toBeGreaterThan(10);
  const further = [
    "CREATE TABLE added_later (id uuid PRIMARY KEY)",
    ...tables.flatMap(({ name }) => [
      `ALTER TABLE ${name} ADD COLUMN note_of_later text, ADD COLUMN count_of_later int NOT NULL DEFAULT 7`,
      `CREATE INDEX ON ${name} (note_of_later)`,
    ]),
  ];
  expect(findBreaking(further)).toEqual([]);
  await db.transaction(async (tx) => {
    for (const statement of further) await tx.query(statement);
    await tx.query("UPDATE schema_version SET version = version + 1");
  });
}

async function readEverything(api: TestApi, { key, token, ids }: Tenant): Promise<void> {
  for (const { name, route } of routeTable) {
    if (route.method !== "GET" || pathParameters(route).some((one) => ids[one] === undefined)) continue;
    const path = route.path.replaceAll(/:(\w+)/g, (_, one: string) => ids[one] ?? "");
    const { status } = await api.call("GET", path, { token: route.auth === "key" ? key : token });
    expect({ name, status }).toEqual({ name, status: 200 });
  }
}
