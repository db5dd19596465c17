import type { Queryable } from "../store/database.ts";
import { payersOfPeriod } from "./period-quantities.ts";

/** A payer with a line or a minimum on the invoice of a period; null is the account itself. */
export interface PayerRow {
  readonly customer_id: string | null;
  readonly name: string;
}

/** The payers that are asked for. */
export interface PayersQuery {
  /** The customer behind whom to begin; null for the first. */
  readonly cursor: string | null;
  readonly limit: number;
  /** This customer alone; null for all payers. */
  readonly customerId?: string | null;
}

/** Lists the payers who have something on their invoice of a period, customers first and the account itself last. */
export function listPayers(
  tx: Queryable,
  periodId: string,
  { cursor, limit, customerId = null }: PayersQuery,
): Promise<PayerRow[]> {
  return tx.query<PayerRow>(
    `SELECT t.customer_id, coalesce(c.name, e.name, a.name) AS name
     FROM (
       SELECT DISTINCT customer_id FROM ${payersOfPeriod("$1")} p
       WHERE ($2::uuid IS NULL OR customer_id IS NULL OR customer_id > $2)
         AND ($4::uuid IS NULL OR customer_id = $4)
     ) t
     JOIN periods p ON p.id = $1
     JOIN environments e ON e.id = p.environment_id
     JOIN accounts a ON a.id = e.account_id
     LEFT JOIN customers c ON c.id = t.customer_id
     ORDER BY t.customer_id NULLS LAST LIMIT $3`,
    [periodId, cursor, limit, customerId],
  );
}
