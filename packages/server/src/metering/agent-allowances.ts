import type { AgentAllowance, Allowance } from "@licentric/contract";
import { allowanceParts } from "../billing/allowances.ts";
import { periodAt } from "../billing/period-bounds.ts";
import { priceOfPeriod } from "../billing/price-of-period.ts";
import type { Queryable } from "../store/database.ts";
import { joinClock } from "./running-clock.ts";

interface AllowanceRow {
  meter_name: string;
  allowance: Allowance;
  used: string;
  resets_at: Date;
  is_shared: boolean;
}

/** The quantities that use up an agent's allowance: of all its customer's agents, or of itself where it has none. */
const PARTS = `(
  SELECT s.meter_id, s.day, s.quantity FROM ${allowanceParts("period.id")} s WHERE s.customer_id = agent.customer_id
  UNION ALL
  SELECT o.meter_id, o.day, o.quantity FROM ${allowanceParts("period.id")} o
  WHERE agent.customer_id IS NULL AND o.customer_id IS NULL AND o.agent_id = agent.id
)`;

/** `$1` is the moment, `$2` the environment, `$3` the agent. */
const ALLOWANCES = `
SELECT m.name AS meter_name, billed.price -> 'allowance' AS allowance, used.quantity::text AS used,
  CASE billed.price #>> '{allowance,every}' WHEN 'day' THEN least(clock.tomorrow, bounds.ends_at) ELSE bounds.ends_at END
    AS resets_at,
  agent.customer_id IS NOT NULL AS is_shared
FROM agents agent
${joinClock("agent.environment_id")}
CROSS JOIN LATERAL ${periodAt("agent.environment_id", "$1::timestamptz")} at
CROSS JOIN LATERAL (
  SELECT coalesce(period.starts_at, at.starts_at) AS starts_at, coalesce(period.ends_at, at.ends_at) AS ends_at
) bounds
JOIN meters m ON m.environment_id = agent.environment_id
CROSS JOIN LATERAL ${priceOfPeriod("m.id", "bounds.starts_at", "bounds.ends_at", "agent.customer_id")} billed
CROSS JOIN LATERAL (
  SELECT greatest(coalesce(sum(p.quantity), 0), 0) AS quantity FROM ${PARTS} p
  WHERE p.meter_id = m.id AND (billed.price #>> '{allowance,every}' = 'period' OR p.day = clock.today)
) used
WHERE agent.environment_id = $2 AND agent.id = $3 AND billed.price -> 'allowance' IS NOT NULL
ORDER BY m.name`;

/**
 * Returns what is left to an agent of the free units of prices. What is recorded counts, and not what is held: a hold
 * may be given back.
 */
export async function selectAllowances(
  db: Queryable,
  { environmentId, agentId }: { readonly environmentId: string; readonly agentId: string },
  now: Date,
): Promise<AgentAllowance[]> {
  const rows = await db.query<AllowanceRow>(ALLOWANCES, [now, environmentId, agentId]);
  return rows.map(({ meter_name: meterName, allowance, used, resets_at, is_shared }) => {
    const { quantity, every } = allowance;
    const taken = BigInt(used) < quantity ? Number(used) : quantity;
    return {
      meterName,
      quantity,
      every,
      used: taken,
      remaining: quantity - taken,
      resetsAt: resets_at.toISOString(),
      ...(is_shared && { shared: true as const }),
    };
  });
}
