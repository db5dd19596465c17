import type { Allowance } from "@licentric/contract";
import type { Queryable } from "../store/database.ts";

/** A payer's usage of a meter whose price has an allowance. */
export interface AllowedUsage {
  /** null: the account itself. */
  readonly customerId: string | null;
  readonly meterId: string;
  readonly allowance: Allowance;
  /** One agent of nobody, whose usage alone is meant. All by default. */
  readonly agentId?: string;
}

/**
 * The quantities that use up the allowances of a period, as a subquery: usage and adjustments by customer, agent, meter and day. The
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

/** A payer as a value that can be joined by; the account itself has one, too. */
const payer = (table: string) =>
  `coalesce(${table}.customer_id, '00000000-0000-0000-0000-000000000000'::uuid)`;

/**
 * Each allowance counts for one customer, or for one agent of nobody, and for one day or the whole period. What belongs
 * to no such part uses up nothing. `$1` is the period.
 */
const FREE = `
SELECT counted.place::int, sum(greatest(least(counted.used, counted.free), 0))::text AS free
FROM (
  SELECT a.place, a.free, sum(p.quantity) AS used
  FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::text[], $7::uuid[])
    WITH ORDINALITY AS a (customer_id, meter_id, free, every, agent_id, place)
  JOIN ${allowanceParts("$1")} p ON p.meter_id = a.meter_id AND ${payer("p")} = ${payer("a")}
    AND (p.day IS NOT NULL OR a.every <> 'day') AND (p.agent_id IS NOT NULL OR a.customer_id IS NOT NULL)
    AND (a.agent_id IS NULL OR p.agent_id = a.agent_id)
  WHERE p.customer_id = ANY ($2::uuid[]) OR $6::boolean AND p.customer_id IS NULL
  GROUP BY a.place, a.free, CASE WHEN a.customer_id IS NULL THEN p.agent_id END,
    CASE a.every WHEN 'day' THEN p.day END
) counted
GROUP BY counted.place`;

/** Returns how many units of each usage its allowance leaves free of charge, in their order. */
export async function selectFree(
  db: Queryable,
  periodId: string,
  usage: readonly AllowedUsage[],
): Promise<bigint[]> {
  if (usage.length === 0) return [];
  const rows = await db.query<{ place: number; free: string }>(FREE, [
    periodId,
    usage.map(({ customerId }) => customerId),
    usage.map(({ meterId }) => meterId),
    usage.map(({ allowance }) => allowance.quantity),
    usage.map(({ allowance }) => allowance.every),
    usage.some(({ customerId }) => customerId === null),
    usage.map(({ agentId }) => agentId ?? null),
  ]);
  const byPlace = new Map(rows.map(({ place, free }) => [place, BigInt(free)]));
  return usage.map((_, index) => byPlace.get(index + 1) ?? 0n);
}

/**
 * Returns the free units of a quantity that is billed: of what an adjustment without a day takes away, some may have been
 * free.
 */
export function freeOf(quantity: string, free: bigint): bigint {
  const all = BigInt(quantity);
  return free < all ? free : all;
}
