import type { Allowance } from "@licentric/contract";
import type { Queryable } from "../store/database.ts";

/** The quantity that a period bills a payer of a meter whose price has an allowance. */
export interface AllowedQuantity {
  /** null: the account itself. */
  readonly customerId: string | null;
  readonly meterId: string;
  /** A whole number as the database writes it. */
  readonly quantity: string;
  readonly allowance: Allowance;
}

/**
 * What uses up the allowances of a period, as a subquery: usage and adjustments by customer, agent, meter and day. The
 * day is null of an adjustment that belongs to none, and the agent of what was carried over.
 */
export const allowanceParts = (periodId: string) => `(
  SELECT customer_id, agent_id, meter_id, day, quantity::numeric AS quantity
  FROM usage_totals WHERE period_id = ${periodId}
  UNION ALL
  SELECT customer_id, agent_id, meter_id, day, quantity::numeric FROM adjustments WHERE period_id = ${periodId}
  UNION ALL
  SELECT customer_id, NULL::uuid, meter_id, NULL::date, quantity FROM carried_adjustments WHERE period_id = ${periodId}
)`;

/**
 * Each allowance counts for one customer, or for one agent of nobody, and for one day or the whole period. What belongs
 * to no such part uses up nothing. `$1` is the period.
 */
const FREE = `
SELECT counted.place::int, sum(greatest(least(counted.used, counted.free), 0))::text AS free
FROM (
  SELECT a.place, a.free, sum(p.quantity) AS used
  FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::text[])
    WITH ORDINALITY AS a (customer_id, meter_id, free, every, place)
  JOIN ${allowanceParts("$1")} p ON p.meter_id = a.meter_id AND p.customer_id IS NOT DISTINCT FROM a.customer_id
    AND (p.day IS NOT NULL OR a.every <> 'day') AND (p.agent_id IS NOT NULL OR a.customer_id IS NOT NULL)
  WHERE p.customer_id = ANY ($2::uuid[]) OR $6::boolean AND p.customer_id IS NULL
  GROUP BY a.place, a.free, CASE WHEN a.customer_id IS NULL THEN p.agent_id END,
    CASE a.every WHEN 'day' THEN p.day END
) counted
GROUP BY counted.place`;

/** Returns how many units of each quantity its allowance leaves free of charge, in their order. */
export async function selectFree(
  db: Queryable,
  periodId: string,
  quantities: readonly AllowedQuantity[],
): Promise<bigint[]> {
  if (quantities.length === 0) return [];
  const rows = await db.query<{ place: number; free: string }>(FREE, [
    periodId,
    quantities.map(({ customerId }) => customerId),
    quantities.map(({ meterId }) => meterId),
    quantities.map(({ allowance }) => allowance.quantity),
    quantities.map(({ allowance }) => allowance.every),
    quantities.some(({ customerId }) => customerId === null),
  ]);
  const byPlace = new Map(rows.map(({ place, free }) => [place, BigInt(free)]));
  return quantities.map(({ quantity }, index) => {
    const [all, free] = [BigInt(quantity), byPlace.get(index + 1) ?? 0n];
    // Of what an adjustment without a day takes away, some may have been free.
    return free < all ? free : all;
  });
}
