import type { Database, Queryable } from "./database.ts";
import { DatabaseSetupError, onlyRow } from "./database.ts";
import { initial } from "./migrations/0001-initial.ts";
import { agentsBudgetsAudit } from "./migrations/0002-agents-budgets-audit.ts";
import { invoicingAndWebhooks } from "./migrations/0003-invoicing-and-webhooks.ts";
import { auditActors } from "./migrations/0004-audit-actors.ts";
import { payers } from "./migrations/0007-payers.ts";
import { invoiceTerms } from "./migrations/0008-invoice-terms.ts";

/** Every migration, oldest first. One that was released is never changed; the next one is added behind it. */
export const migrations: readonly string[] = [
  initial,
  agentsBudgetsAudit,
  invoicingAndWebhooks,
  auditActors,
  payers,
  invoiceTerms,
];

// Any fixed number: it keeps several starting processes from migrating at the same time.
const MIGRATION_LOCK = 4_716_224;

/**
 * Brings the database to this version's schema, in one transaction. Several processes may start at once: one
 * migrates and the others wait for it.
 *
 * @throws {DatabaseSetupError} when the database was written by a newer version.
 */
export async function migrate(db: Database, upTo = migrations.length): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.query("SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
    await tx.query("CREATE TABLE IF NOT EXISTS schema_version (version int NOT NULL)");
    const rows = await tx.query<{ version: number }>("SELECT version FROM schema_version");
    const version = rows.length === 0 ? 0 : onlyRow(rows).version;
    if (version > migrations.length) {
      throw new DatabaseSetupError(
        `The database has schema version ${version}, and this server knows ${migrations.length}. Start a newer server.`,
      );
    }
    for (const migration of migrations.slice(version, upTo)) await runScript(tx, migration);
    if (rows.length === 0) await tx.query("INSERT INTO schema_version VALUES ($1)", [upTo]);
    else if (version < upTo) await tx.query("UPDATE schema_version SET version = $1", [upTo]);
  });
}

/** Both drivers take one statement at a time inside a transaction; migrations have no `;` inside a statement. */
async function runScript(tx: Queryable, script: string): Promise<void> {
  const statements = script
    .replace(/^\s*--.*$/gm, "")
    .split(";")
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
  for (const statement of statements) await tx.query(statement);
}
