import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { afterEach, describe, expect, it } from "vitest";
import { createAccount, getEnvironmentId, listAccounts } from "../src/accounts/accounts.ts";
import { backupDatabase, restoreDatabase } from "../src/store/backup.ts";
import { DatabaseSetupError } from "../src/store/database.ts";
import { openEmbeddedDatabase } from "../src/store/embedded.ts";
import { migrate, migrations } from "../src/store/migrate.ts";
import { openDatabase } from "../src/store/open-database.ts";
import { openPostgres } from "../src/store/postgres.ts";
import { describeOnEachDatabase, describeOnPostgres } from "./support/databases.ts";
import { prepareDatabase } from "./support/prepared-database.ts";

const now = new Date("2026-11-01T00:00:00.000Z");
const making = { newId: () => uuidv7(), now };

describeOnEachDatabase("migrations on $name", (database) => {
  it.each(migrations.map((_, index) => index + 1))(
    "bring version %i, with data in it, to the newest",
    async (version) => {
      const { location, remove } = await database.create();
      try {
        const old =
          "databaseUrl" in location
            ? await openPostgres(location.databaseUrl)
            : await openEmbeddedDatabase(location.dataDirectory);
        await migrate(old, version);
        const { id } = await createAccount(old, { name: "Acme" }, making);
        await addInvoice(old, id);
        const keyId = await addChange(old, id, version);
        await old.close();

        const db = await openDatabase(location);
        try {
          const rows = await db.query("SELECT version FROM schema_version");
          expect(rows).toEqual([{ version: migrations.length }]);
          expect((await listAccounts(db)).map((account) => account.id)).toEqual([id]);
          const invoices = await db.query("SELECT total, stripe_configured FROM invoices");
          // Version 3 keeps what it is told; before it, whatever had an id of Stripe's was sent there.
          expect(invoices).toEqual([{ total: "1.00", stripe_configured: version < 3 }]);
          const changes = await db.query("SELECT actor, key_id FROM audit_events");
          expect(changes).toEqual(version < 2 ? [] : [{ actor: "key", key_id: keyId }]);
          const limits = await db.query("SELECT DISTINCT max_quantity_per_call FROM meters");
          expect(limits).toEqual([{ max_quantity_per_call: 1_000_000 }]);
        } finally {
          await db.close();
        }
      } finally {
        await remove();
      }
    },
    60_000,
  );

  it("leave a schema into which the version before call limits and enforced budgets still writes", async () => {
    const { location, remove } = await database.create();
    try {
      const db = await openDatabase(location);
      const { id: accountId } = await createAccount(db, { name: "Acme" }, making);
      const environmentId = await getEnvironmentId(db, accountId, "test");
      const [agentId, meterId] = [uuidv7(), uuidv7()];
      await db.query(
        `INSERT INTO agents (id, environment_id, name, status, metadata, created_at, updated_at)
         VALUES ($1, $2, 'bot', 'active', '{}', $3, $3)`,
        [agentId, environmentId, now],
      );
      const meters = await db.query(
        `INSERT INTO meters (id, environment_id, name, display_name, unit, metadata, created_at, updated_at)
         VALUES ($1, $2, 'pages', 'Pages', 'page', '{}', $3, $3) RETURNING max_quantity_per_call`,
        [meterId, environmentId, now],
      );
      const budgets = await db.query(
        `INSERT INTO budgets (id, environment_id, agent_id, meter_id, budget_window, quantity_limit, warn_at_percent,
           created_at, updated_at)
         VALUES ($1, $2, $3, $4, 'day', 5, 80, $5, $5) RETURNING enforced`,
        [uuidv7(), environmentId, agentId, meterId, now],
      );
      expect([...meters, ...budgets]).toEqual([{ max_quantity_per_call: 1_000_000 }, { enforced: false }]);
      await db.close();
    } finally {
      await remove();
    }
  }, 60_000);

  it("refuse a database of a newer version", async () => {
    const { location, remove } = await database.create();
    try {
      const db = await openDatabase(location);
      await db.query("UPDATE schema_version SET version = version + 1, usable_from = version + 1");
      await db.close();
      await expect(openDatabase(location)).rejects.toThrow(/Start a newer server/);
    } finally {
      await remove();
    }
  }, 60_000);

  /** A key and, where there is an audit log, a change that it made. */
  async function addChange(db: Awaited<ReturnType<typeof openDatabase>>, accountId: string, version: number) {
    const environmentId = await getEnvironmentId(db, accountId, "test");
    // As the version of then made one.
    const id = uuidv7();
    await db.query(
      `INSERT INTO management_keys (id, environment_id, secret_hash, hint, created_at) VALUES ($1, $2, $3, '…', $4)`,
      [id, environmentId, randomUUID(), now],
    );
    if (version < 2) return id;
    const actor = version < 4 ? "" : "actor, ";
    await db.query(
      `INSERT INTO audit_events (${actor}id, environment_id, key_id, operation, resource_ids, request_id, created_at)
       VALUES (${version < 4 ? "" : "'key', "}$1, $2, $3, 'agents.create', '{}', 'r', $4)`,
      [uuidv7(), environmentId, id, now],
    );
    return id;
  }

  async function addInvoice(db: Awaited<ReturnType<typeof openDatabase>>, accountId: string) {
    const [environment] = await db.query<{ id: string }>(
      "SELECT id FROM environments WHERE account_id = $1 LIMIT 1",
      [accountId],
    );
    const periodId = uuidv7();
    const environmentId = environment?.id ?? "";
    await db.query(
      `INSERT INTO periods (id, environment_id, status, starts_at, ends_at, closed_at, created_at)
       VALUES ($1, $2, 'closed', $3, $3, $3, $3)`,
      [periodId, environmentId, now],
    );
    await db.query(
      `INSERT INTO invoices
         (id, environment_id, period_id, status, currency, lines, total, metadata, stripe_invoice_id, created_at)
       VALUES ($1, $2, $3, 'open', 'usd', '[]', '1.00', '{}', 'in_1', $4)`,
      [uuidv7(), environmentId, periodId, now],
    );
  }
});

describeOnPostgres("processes that start at once", (database) => {
  it("migrate an empty database once", async () => {
    const { location, remove } = await database.create();
    try {
      const opened = await Promise.all(Array.from({ length: 6 }, () => openDatabase(location)));
      const [first] = opened;
      expect(await first?.query("SELECT version FROM schema_version")).toEqual([
        { version: migrations.length },
      ]);
      for (const db of opened) await db.close();
    } finally {
      await remove();
    }
  }, 60_000);
});

describe("backup and restore of the embedded database", () => {
  let folder = "";
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function databaseWithAccount() {
    folder = await mkdtemp(join(tmpdir(), "licentric-backup-"));
    const dataDirectory = join(folder, "data");
    await prepareDatabase(dataDirectory);
    const db = await openDatabase({ dataDirectory });
    const { id } = await createAccount(db, { name: "Acme" }, making);
    return { db, id, dataDirectory, file: join(folder, "backup.tar.gz") };
  }

  it("give the same data again, in a file that only its owner reads", async () => {
    const { db, id, dataDirectory, file } = await databaseWithAccount();
    await db.close();
    await backupDatabase(dataDirectory, file);
    expect((await stat(file)).mode & 0o077).toBe(0);

    const directory = join(folder, "restored");
    await restoreDatabase(file, directory);
    for (const dataDirectoryOf of [directory, dataDirectory]) {
      const opened = await openDatabase({ dataDirectory: dataDirectoryOf });
      expect((await listAccounts(opened)).map((account) => account.id)).toEqual([id]);
      await createAccount(opened, { name: "Later" }, making);
      await opened.close();
    }
  }, 60_000);

  it("refuse what is open, and overwrite nothing", async () => {
    const { db, dataDirectory, file } = await databaseWithAccount();
    await expect(backupDatabase(dataDirectory, file)).rejects.toThrow(/open in another process|is open/);
    await db.close();
    await writeFile(file, "precious");
    await expect(backupDatabase(dataDirectory, file)).rejects.toThrow(/overwrites nothing/);
    expect(await readFile(file, "utf8")).toBe("precious");
    await expect(restoreDatabase(file, dataDirectory)).rejects.toThrow(/not empty/);
    await expect(backupDatabase(join(folder, "nowhere"), join(folder, "b"))).rejects.toThrow(
      /no embedded database/,
    );
  }, 60_000);

  it("leave nothing behind of a damaged backup, so that the right one can be restored after it", async () => {
    const { db, id, dataDirectory, file } = await databaseWithAccount();
    await db.close();
    await backupDatabase(dataDirectory, file);
    const whole = await readFile(file);
    const damaged = join(folder, "damaged.tar.gz");
    await writeFile(damaged, whole.subarray(0, whole.length / 2));
    const directory = join(folder, "restored");
    await expect(restoreDatabase(damaged, directory)).rejects.toThrow(DatabaseSetupError);
    await restoreDatabase(file, directory);
    const opened = await openDatabase({ dataDirectory: directory });
    expect((await listAccounts(opened)).map((account) => account.id)).toEqual([id]);
    await opened.close();
  }, 60_000);
});
