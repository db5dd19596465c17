import type { Database, Queryable } from "./database.ts";
import { DatabaseSetupError } from "./database.ts";
import { initial } from "./migrations/0001-initial.ts";
import { agentsBudgetsAudit } from "./migrations/0002-agents-budgets-audit.ts";
import { invoicingAndWebhooks } from "./migrations/0003-invoicing-and-webhooks.ts";
import { auditActors } from "./migrations/0004-audit-actors.ts";
import { callLimitsAndEnforcedBudgets } from "./migrations/0005-call-limits-and-enforced-budgets.ts";
import { payers } from "./migrations/0006-payers.ts";
import { invoiceTerms } from "./migrations/0007-invoice-terms.ts";
import { agentsIdempotencyKeys } from "./migrations/0008-agents-idempotency-keys.ts";
import { partitionedEvents } from "./migrations/0009-partitioned-events.ts";
import { retentionAndArchive } from "./migrations/0010-retention-and-archive.ts";
import { adjustments } from "./migrations/0011-adjustments.ts";
import { customerPrices } from "./migrations/0012-customer-prices.ts";
import { furtherBudgets } from "./migrations/0013-further-budgets.ts";
import { stripeEventsRead } from "./migrations/0014-stripe-events-read.ts";
import { consoleSignIn } from "./migrations/0015-console.ts";
import { customerTerms } from "./migrations/0016-customer-terms.ts";
import { invoiceMismatch } from "./migrations/0017-invoice-mismatch.ts";
import { allowances } from "./migrations/0018-allowances.ts";
import { issuedInvoices } from "./migrations/0019-issued-invoices.ts";
import { webhookDeliveries } from "./migrations/0020-webhook-deliveries.ts";

/** Every migration, oldest first. One that was released is never changed; the next one is added behind it. */
export const migrations: readonly string[] = [
  initial,
  agentsBudgetsAudit,
  invoicingAndWebhooks,
  auditActors,
  callLimitsAndEnforcedBudgets,
  payers,
  invoiceTerms,
  agentsIdempotencyKeys,
  partitionedEvents,
  retentionAndArchive,
  adjustments,
  customerPrices,
  furtherBudgets,
  stripeEventsRead,
  consoleSignIn,
  customerTerms,
  invoiceMismatch,
  allowances,
  issuedInvoices,
  webhookDeliveries,
];

/**
 * The oldest schema whose servers can use the newest one. They go on while a rolling upgrade replaces them, and may be
 * started again: every later migration only adds, as a test holds it to. One that takes something away raises this to
 * its own number, and servers of before it have to be stopped first.
 */
export const USABLE_FROM = 4;

// Any fixed number: it keeps several starting processes from migrating at the same time.
export const MIGRATION_LOCK = 4_716_224;

/**
 * Brings the database to this version's schema, in one transaction. Several processes may start at once: one
 * migrates and the others wait for it, however long it takes.
 *
 * @throws {DatabaseSetupError} when the database was written by a newer version that this one cannot work beside.
 */
export async function migrate(db: Database, upTo = migrations.length): Promise<void> {
  const bringTo = async (tx: Queryable) => {
    await tx.query("SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
    await tx.query("CREATE TABLE IF NOT EXISTS schema_version (version int NOT NULL, usable_from int)");
    const schema = await readSchema(tx);
    const version = schema?.version ?? 0;
    if (schema !== undefined && isTooNew(schema)) {
      throw new DatabaseSetupError(
        `The database has schema version ${version}, and this server knows ${migrations.length}. Start a newer server.`,
      );
    }
    for (const migration of migrations.slice(version, upTo)) await runScript(tx, migration);
    if (version >= upTo) return;
    if (schema === undefined) await tx.query("INSERT INTO schema_version (version) VALUES (0)");
    await tx.query("ALTER TABLE schema_version ADD COLUMN IF NOT EXISTS usable_from int");
    await tx.query("UPDATE schema_version SET version = $1, usable_from = $2", [
      upTo,
      Math.min(USABLE_FROM, upTo),
    ]);
  };
  await db.transaction(bringTo, { queryTimeout: 0 });
}

/** Versions that a database records of its schema. */
export interface Schema {
  readonly version: number;
  /** The oldest version whose servers can use it. */
  readonly usableFrom: number;
}

/** Reads what the table `schema_version`, of this version or an older one, says; undefined where it is empty. */
export async function readSchema(db: Queryable): Promise<Schema | undefined> {
  const [schema] = await db.query<Schema>(
    `SELECT version, coalesce((to_jsonb(s) ->> 'usable_from')::int, version) AS "usableFrom" FROM schema_version s`,
  );
  return schema;
}

/** Checks whether only a newer server can use the schema. */
export function isTooNew({ version, usableFrom }: Schema): boolean {
  return version > migrations.length && usableFrom > migrations.length;
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
