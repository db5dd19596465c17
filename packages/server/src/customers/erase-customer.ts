import type { Provisioning } from "../accounts/provision.ts";
import { deleteAgent } from "../agents/agents.ts";
import { recordSystemChange } from "../audit/audit-events.ts";
import { termsOfPeriod } from "../billing/terms-of-period.ts";
import { type Database, onlyRow, type Queryable, uuidParam } from "../store/database.ts";

/** The outcome for a customer that was to be erased. */
export type ErasedCustomer =
  | {
      readonly outcome: "erased";
      readonly customerId: string;
      /** The customer in Stripe that it was, where what Stripe has is erased. */
      readonly stripeCustomerId: string | null;
      readonly agents: number;
      readonly events: number;
    }
  /** Usage, or a minimum, of periods that stands on no invoice: an erased customer could not be billed for it. */
  | { readonly outcome: "not-invoiced"; readonly periodIds: readonly string[] }
  | { readonly outcome: "not-found" };

/** The text in place of the names. */
const ERASED = "Erased";

/** Milliseconds are not counted: there may be many events, and no request waits for them. */
const NO_LIMIT = { queryTimeout: 0 };

/**
 * Erases a customer's personal data in the database itself: name, e-mail address, postal address, tax id and metadata,
 * those of its agents, which are deleted with all budgets, what its usage events and adjustments say besides their
 * quantities, what issued invoices say of it as their buyer, and what was agreed with it for periods that are not closed. What is left is an id with its quantities,
 * invoices, credit notes and audit events: the books stay as they were. The customer is taken off its Stripe customer,
 * so that nothing comes back from there.
 *
 * A customer with usage, or a minimum, that is on no invoice is not erased.
 */
export function eraseCustomer(
  db: Pick<Database, "transaction">,
  customerId: string,
  { actor = "program", ...making }: Provisioning,
): Promise<ErasedCustomer> {
  const erase = async (tx: Queryable): Promise<ErasedCustomer> => {
    const found = await tx.query<{ environment_id: string; stripe_customer_id: string | null }>(
      "SELECT environment_id, stripe_customer_id FROM customers WHERE id = $1 FOR UPDATE",
      [uuidParam(customerId)],
    );
    if (found.length === 0) return { outcome: "not-found" };
    const { environment_id: environmentId, stripe_customer_id: stripeCustomerId } = onlyRow(found);
    const agents = await eraseAgents(tx, environmentId, customerId, making.now);
    // After its agents can use no more.
    const periodIds = await uninvoicedPeriods(tx, customerId);
    if (periodIds.length > 0) throw new NotInvoiced(periodIds);
    await tx.query(
      `UPDATE customers SET name = $2, email = NULL, address = NULL, tax_id = NULL, metadata = '{}',
         stripe_customer_id = NULL, stripe_generation = stripe_generation + 1, stripe_unsent = '{}',
         stripe_missing = false, updated_at = $3
       WHERE id = $1`,
      [customerId, ERASED, making.now],
    );
    for (const table of ["customer_budgets", "money_budgets", "customer_terms"]) {
      await tx.query(`DELETE FROM ${table} WHERE environment_id = $1 AND customer_id = $2`, [
        environmentId,
        customerId,
      ]);
    }
    await tx.query("UPDATE invoices SET buyer = NULL WHERE environment_id = $1 AND customer_id = $2", [
      environmentId,
      customerId,
    ]);
    const events = await tx.query<{ id: string }>(
      `UPDATE metered_events SET metadata = NULL
       WHERE environment_id = $1 AND customer_id = $2 AND metadata IS NOT NULL RETURNING id`,
      [environmentId, customerId],
    );
    await tx.query("UPDATE adjustments SET reason = $3 WHERE environment_id = $1 AND customer_id = $2", [
      environmentId,
      customerId,
      ERASED,
    ]);
    await tx.query(
      `UPDATE period_terms SET reason = $3
       WHERE environment_id = $1 AND customer_id = $2 AND reason IS NOT NULL`,
      [environmentId, customerId, ERASED],
    );
    await recordSystemChange(
      tx,
      { environmentId, actor, operation: "customers.erase", resourceIds: [customerId] },
      making,
    );
    return { outcome: "erased", customerId, stripeCustomerId, agents, events: events.length };
  };
  return db.transaction(erase, NO_LIMIT).catch((error: unknown): ErasedCustomer => {
    if (error instanceof NotInvoiced) return { outcome: "not-invoiced", periodIds: error.periodIds };
    throw error;
  });
}

/** Rolls the transaction back. */
class NotInvoiced extends Error {
  override readonly name = "NotInvoiced";
  readonly periodIds: readonly string[];

  constructor(periodIds: readonly string[]) {
    super("there is usage that is on no invoice");
    this.periodIds = periodIds;
  }
}

/** Deletes the customer's agents and what they and their credentials are called; answers how many there were. */
async function eraseAgents(
  tx: Queryable,
  environmentId: string,
  customerId: string,
  now: Date,
): Promise<number> {
  const agents = await tx.query<{ id: string; deleted_at: Date | null }>(
    "SELECT id, deleted_at FROM agents WHERE environment_id = $1 AND customer_id = $2 ORDER BY id FOR UPDATE",
    [environmentId, customerId],
  );
  for (const { id, deleted_at } of agents) {
    if (deleted_at === null) await deleteAgent(tx, environmentId, id, now);
  }
  await tx.query(
    "UPDATE agents SET name = $3, metadata = '{}', updated_at = $4 WHERE environment_id = $1 AND customer_id = $2",
    [environmentId, customerId, ERASED, now],
  );
  await tx.query(
    `UPDATE credentials SET name = NULL WHERE environment_id = $1
       AND agent_id IN (SELECT id FROM agents WHERE environment_id = $1 AND customer_id = $2)`,
    [environmentId, customerId],
  );
  return agents.length;
}

/** Periods, the one that runs among them, with usage or a minimum of the customer that stands on no invoice that bills. */
async function uninvoicedPeriods(tx: Queryable, customerId: string): Promise<string[]> {
  const rows = await tx.query<{ period_id: string }>(
    `SELECT t.period_id FROM (
       SELECT period_id FROM usage_totals WHERE customer_id = $1 AND quantity > 0
       UNION
       SELECT period_id FROM (
         SELECT period_id, meter_id, quantity::numeric AS quantity FROM adjustments WHERE customer_id = $1
         UNION ALL
         SELECT period_id, meter_id, quantity FROM carried_adjustments WHERE customer_id = $1
       ) corrected
       GROUP BY period_id, meter_id HAVING sum(quantity) > 0
       UNION
       SELECT p.id FROM customers c
       JOIN periods p ON p.environment_id = c.environment_id
       CROSS JOIN LATERAL ${termsOfPeriod("p.id")} agreed
       WHERE c.id = $1 AND agreed.customer_id = c.id AND agreed.kind = 'minimum'
     ) t
     WHERE NOT EXISTS (
       SELECT 1 FROM invoices i WHERE i.period_id = t.period_id AND i.customer_id = $1
         AND i.status <> 'void' AND NOT (i.stripe_configured AND i.announced_at IS NULL)
     )
     ORDER BY t.period_id`,
    [customerId],
  );
  return rows.map((row) => row.period_id);
}
