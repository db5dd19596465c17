import type { Price } from "@licentric/contract";
import type { Queryable } from "../store/database.ts";
import type { BilledUsage } from "./invoice-lines.ts";
import { priceOfPeriod } from "./price-of-period.ts";

interface UsageRow {
  customer_id: string | null;
  meter_name: string;
  display_name: string;
  quantity: string;
  price: Price | null;
}

/** Returns the usage of each of these payers in a period, with its prices (null: the account itself). */
export async function selectBilledUsage(
  tx: Queryable,
  periodId: string,
  payers: readonly (string | null)[],
): Promise<Map<string | null, BilledUsage[]>> {
  const rows = await tx.query<UsageRow>(
    `SELECT t.customer_id, m.name AS meter_name, m.display_name, t.quantity, price.price
     FROM (
       SELECT customer_id, meter_id, sum(quantity)::text AS quantity FROM usage_totals
       WHERE period_id = $1 AND (customer_id = ANY($2::uuid[]) OR $3 AND customer_id IS NULL) GROUP BY customer_id, meter_id
     ) t
     JOIN meters m ON m.id = t.meter_id
     JOIN periods p ON p.id = $1
     LEFT JOIN LATERAL ${priceOfPeriod("m.id", "p.starts_at", "p.ends_at")} price ON true
     ORDER BY m.name`,
    [periodId, payers.filter((id) => id !== null), payers.includes(null)],
  );
  const byPayer = new Map<string | null, BilledUsage[]>();
  for (const { customer_id, meter_name, display_name, quantity, price } of rows) {
    const usage = byPayer.get(customer_id) ?? [];
    usage.push({ meterName: meter_name, displayName: display_name, quantity, price });
    byPayer.set(customer_id, usage);
  }
  return byPayer;
}
