import type { Price } from "@licentric/contract";
import type { Queryable } from "../store/database.ts";
import { freeOf, selectFree } from "./allowances.ts";
import type { BilledUsage } from "./invoice-lines.ts";
import { endOnceClosed } from "./period-bounds.ts";
import {
  HAS_LINE,
  partsOf,
  type QuantityRow,
  quantitiesOfPeriod,
  SUMMED_PARTS,
} from "./period-quantities.ts";
import { priceOfPeriod } from "./price-of-period.ts";

interface UsageRow extends QuantityRow {
  customer_id: string | null;
  meter_id: string;
  meter_name: string;
  display_name: string;
  price: Price | null;
  is_own: boolean | null;
}

/**
 * Returns what a period bills of each of these payers, usage with its adjustments, and the prices (null: the account
 * itself).
 *
 * @param closing the moment at which a period that is open is taken to be closed, for its price depends on its end.
 */
export async function selectBilledUsage(
  tx: Queryable,
  periodId: string,
  payers: readonly (string | null)[],
  closing: Date,
): Promise<Map<string | null, BilledUsage[]>> {
  const rows = await tx.query<UsageRow>(
    `SELECT t.customer_id, t.meter_id, m.name AS meter_name, m.display_name, t.quantity, t.used, t.adjusted, t.carried_in,
       t.carried_over, price.price,
       price.is_own
     FROM (
       SELECT q.customer_id, q.meter_id, ${SUMMED_PARTS} FROM ${quantitiesOfPeriod("$1")} q
       WHERE (q.customer_id = ANY($2::uuid[]) OR $3 AND q.customer_id IS NULL) AND ${HAS_LINE}
       GROUP BY q.customer_id, q.meter_id
     ) t
     JOIN meters m ON m.id = t.meter_id
     JOIN periods p ON p.id = $1
     LEFT JOIN LATERAL ${priceOfPeriod("m.id", "p.starts_at", endOnceClosed("$4"), "t.customer_id")} price ON true
     ORDER BY m.name`,
    [periodId, payers.filter((id) => id !== null), payers.includes(null), closing],
  );
  const freeUnits = await freeByRow(tx, periodId, rows);
  const byPayer = new Map<string | null, BilledUsage[]>();
  for (const row of rows) {
    const { customer_id, meter_name, display_name, quantity, price } = row;
    const usage = byPayer.get(customer_id) ?? [];
    usage.push({
      meterName: meter_name,
      displayName: display_name,
      quantity,
      parts: partsOf(row),
      price,
      free: freeUnits.get(row),
      isOwnPrice: row.is_own === true,
    });
    byPayer.set(customer_id, usage);
  }
  return byPayer;
}

async function freeByRow(
  tx: Queryable,
  periodId: string,
  rows: readonly UsageRow[],
): Promise<ReadonlyMap<UsageRow, bigint>> {
  const allowed = rows.flatMap((row) => {
    const { customer_id: customerId, meter_id: meterId, price } = row;
    return price?.allowance ? [{ row, customerId, meterId, allowance: price.allowance }] : [];
  });
  const free = await selectFree(tx, periodId, allowed);
  return new Map(allowed.map(({ row }, index) => [row, freeOf(row.quantity, free[index] ?? 0n)]));
}
