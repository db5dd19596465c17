import type { Database } from "../store/database.ts";
import { leastId, type Month } from "../store/month.ts";

/** A period with events in a month that has no end yet. */
export interface Unsettled {
  readonly periodId: string;
  readonly what: string;
}

/**
 * The periods with events in a month that are open or, in live mode, not invoiced to each of their payers. In test mode
 * nobody is billed, so a closed period is enough.
 */
export async function unsettledOf(db: Database, month: Month): Promise<Unsettled[]> {
  const rows = await db.transaction(
    (tx) =>
      tx.query<{ period_id: string; customer_id: string | null; is_open: boolean }>(
        `SELECT u.period_id, u.customer_id, p.status = 'open' AS is_open
         FROM (
           SELECT DISTINCT environment_id, period_id, customer_id FROM metered_events WHERE id >= $1 AND id < $2
         ) u
         JOIN periods p ON p.id = u.period_id
         JOIN environments e ON e.id = u.environment_id
         LEFT JOIN invoices i ON i.period_id = p.id AND i.customer_id IS NOT DISTINCT FROM u.customer_id
           AND i.status NOT IN ('void', 'draft')
         WHERE p.status = 'open' OR e.mode = 'live' AND i.id IS NULL
         ORDER BY 1, 2`,
        [leastId(month.start), leastId(month.end)],
      ),
    { queryTimeout: 0 },
  );
  return rows.map(({ period_id: periodId, customer_id: customerId, is_open: isOpen }) => {
    const payer = customerId === null ? "the account itself" : `the customer ${customerId}`;
    return { periodId, what: isOpen ? "is open" : `is not invoiced to ${payer}` };
  });
}
