import type { AgentCost, AgentCostQuery } from "@licentric/contract";
import type { z } from "zod";
import { hasKeyScope, type KeyCaller } from "../accounts/caller.ts";
import { type Page, pageRequest, readPageBy } from "../http/page.ts";
import { type Database, type Queryable, uuidParam } from "../store/database.ts";
import { agentShare } from "./agent-share.ts";
import { selectFree } from "./allowances.ts";
import { selectBilledUsage } from "./billed-usage.ts";
import type { BilledUsage } from "./invoice-lines.ts";
import { type PreviewedPeriod, readPageOfPeriod } from "./preview-period.ts";

/** The account itself in a cursor, where a customer's id would stand. */
const OWN = "own";

interface AgentUsageRow {
  readonly agent_id: string;
  readonly agent_name: string;
  readonly customer_id: string | null;
  readonly meter_id: string;
  readonly meter_name: string;
  readonly used: string;
  readonly adjusted: string;
}

/** An item of the list with the meter's id, which its cursor has. */
interface Listed extends AgentCost {
  readonly meterId: string;
}

interface Asked {
  readonly customerId: string | null;
  readonly agentId: string | null;
  readonly cursor: string | null;
  readonly limit: number;
}

/**
 * Tells what each agent's usage of each meter costs its payer in a period so far, by agent. A payer's cost is computed
 * as for an invoice, and the agent has the part of it that its quantity is. Nothing is changed.
 */
export async function previewAgentCosts(
  db: Database,
  caller: Pick<KeyCaller, "environmentId" | "scopes">,
  { periodId, customerId, agentId, ...rest }: z.output<typeof AgentCostQuery>,
  making: { readonly newId: () => string; readonly now: Date },
): Promise<Page<AgentCost>> {
  const page = pageRequest(rest);
  const of = {
    customerId: customerId === undefined ? null : uuidParam(customerId),
    agentId: agentId === undefined ? null : uuidParam(agentId),
    cursor: page.cursor,
  };
  const { environmentId } = caller;
  const listed = await readPageOfPeriod(db, environmentId, periodId, making, (tx, period) =>
    readPageBy(
      page,
      (limit) => selectAgentCosts(tx, period, { ...of, limit }, making.now),
      (last) => `${last.agentId}_${last.meterId}_${last.customerId ?? OWN}`,
    ),
  );
  const named = hasKeyScope(caller, "agents:read");
  return {
    ...listed,
    data: listed.data.map(({ meterId: _, agentName, ...cost }) => ({
      ...cost,
      ...(named && agentName !== undefined && { agentName }),
    })),
  };
}

async function selectAgentCosts(
  tx: Queryable,
  period: PreviewedPeriod,
  asked: Asked,
  now: Date,
): Promise<Listed[]> {
  const rows = await selectAgentUsage(tx, period.id, asked);
  const payers = [...new Set(rows.map((row) => row.customer_id))];
  const billed = await selectBilledUsage(tx, period.id, payers, now);
  const lines = rows.map((row) =>
    billed.get(row.customer_id)?.find(({ meterName }) => meterName === row.meter_name),
  );
  const free = await selectOwnFree(tx, period.id, rows, lines);
  return rows.map((row, index) => {
    return {
      periodId: period.id,
      agentId: row.agent_id,
      agentName: row.agent_name,
      customerId: row.customer_id,
      meterId: row.meter_id,
      meterName: row.meter_name,
      used: row.used,
      adjusted: row.adjusted,
      currency: period.currency,
      cost: agentShare(lines[index], { ...row, free: free.get(row) }),
    };
  });
}

/** The units that agents of nobody have free, where the price has an allowance: each counts alone. */
async function selectOwnFree(
  tx: Queryable,
  periodId: string,
  rows: readonly AgentUsageRow[],
  lines: readonly (BilledUsage | undefined)[],
): Promise<ReadonlyMap<AgentUsageRow, bigint>> {
  const alone = rows.flatMap((row, index) => {
    const allowance = lines[index]?.price?.allowance;
    if (row.customer_id !== null || allowance === undefined) return [];
    return [{ row, customerId: null, meterId: row.meter_id, agentId: row.agent_id, allowance }];
  });
  const free = await selectFree(tx, periodId, alone);
  return new Map(alone.map(({ row }, index) => [row, free[index] ?? 0n]));
}

/** The agents of a period that a page may have; `$1` is the period, `$2` the customer, `$3` the agent, `$4` the cursor's. */
const agentsIn = (table: string) => `(
  SELECT DISTINCT agent_id FROM ${table}
  WHERE period_id = $1 AND ($2::uuid IS NULL OR customer_id = $2) AND ($3::uuid IS NULL OR agent_id = $3)
    AND ($4::uuid IS NULL OR agent_id >= $4)
  ORDER BY agent_id LIMIT $7::int + 1
)`;

const usageIn = (table: string, used: string, adjusted: string) => `
  SELECT agent_id, meter_id, customer_id, ${used} AS used, ${adjusted} AS adjusted FROM ${table}
  WHERE period_id = $1 AND ($2::uuid IS NULL OR customer_id = $2) AND agent_id IN (SELECT agent_id FROM page)`;

/**
 * Sums usage and adjustments by agent, meter and payer, behind the cursor. Of each agent there is a row at least, so a
 * page needs one agent more than it has rows, that of the cursor; only their rows are summed up.
 */
function selectAgentUsage(tx: Queryable, periodId: string, asked: Asked): Promise<AgentUsageRow[]> {
  const [agentId = null, meterId = null, payer = null] = asked.cursor?.split("_") ?? [];
  const customerId = payer === OWN ? null : payer;
  return tx.query<AgentUsageRow>(
    `WITH page AS MATERIALIZED (
       SELECT agent_id FROM (${agentsIn("usage_totals")} UNION ${agentsIn("adjustments")}) either
       ORDER BY agent_id LIMIT $7::int + 1
     )
     SELECT t.agent_id, a.name AS agent_name, t.customer_id, t.meter_id, m.name AS meter_name, t.used::text AS used,
       t.adjusted::text AS adjusted
     FROM (
       SELECT agent_id, meter_id, customer_id, sum(used) AS used, sum(adjusted) AS adjusted
       FROM (
         ${usageIn("usage_totals", "quantity::numeric", "0::numeric")}
         UNION ALL
         ${usageIn("adjustments", "0::numeric", "quantity::numeric")}
       ) parts
       GROUP BY agent_id, meter_id, customer_id
     ) t
     JOIN agents a ON a.id = t.agent_id
     JOIN meters m ON m.id = t.meter_id
     WHERE $4::uuid IS NULL OR (t.agent_id, t.meter_id) > ($4, $5::uuid)
       OR t.agent_id = $4 AND t.meter_id = $5 AND $6::uuid IS NOT NULL AND (t.customer_id > $6 OR t.customer_id IS NULL)
     ORDER BY t.agent_id, t.meter_id, t.customer_id NULLS LAST LIMIT $7::int`,
    [periodId, asked.customerId, asked.agentId, agentId, meterId, customerId, asked.limit],
  );
}
