import type { AgentBudget, AgentPrice, AgentSelf, ListAgentPricesQuery } from "@licentric/contract";
import type { z } from "zod";
import type { AgentCaller } from "../accounts/caller.ts";
import { getAgent } from "../agents/agents.ts";
import type { Page } from "../http/page.ts";
import { onlyRow, type Queryable } from "../store/database.ts";
import { selectAllowances } from "./agent-allowances.ts";
import { toAgentBudget } from "./budget-rules.ts";
import { selectBudgets } from "./budget-use.ts";
import { listMeters } from "./meters.ts";

/** The most budgets that are answered: an owner makes each of them. */
const MOST_BUDGETS = 1_000;

/**
 * Tells an agent who it is, when its credential ends, and what is left of its budgets, its customer's and of free units. Of what is its customer's it
 * reads one sum of all use, as every call under them tells it, and no other agent's. Records nothing.
 */
export async function describeAgent(db: Queryable, caller: AgentCaller, now: Date): Promise<AgentSelf> {
  const { environmentId, agentId, scopes, expiresAt } = caller;
  const { name } = await getAgent(db, environmentId, agentId);
  const budgets = await selectBudgets(
    db,
    environmentId,
    { applyingToAgent: agentId, limit: MOST_BUDGETS },
    now,
  );
  return {
    agentId,
    name,
    scopes: [...scopes],
    expiresAt: expiresAt.toISOString(),
    budgets: budgets.map(toAgentBudget).toSorted(byMeterAndWindow),
    allowances: await selectAllowances(db, caller, now),
  };
}

function byMeterAndWindow(left: AgentBudget, right: AgentBudget): number {
  const [one, other] = [left, right].map(
    ({ meterName, window, shared = false }) => `${meterName ?? ""} ${window} ${Number(shared)}`,
  );
  return one === other ? 0 : (one ?? "") < (other ?? "") ? -1 : 1;
}

/**
 * Lists the prices that the running period's usage of an agent is billed by, its customer's own or the account's, newest
 * meter first, without the owner's metadata.
 */
export async function listAgentPrices(
  db: Queryable,
  { environmentId, agentId }: Pick<AgentCaller, "environmentId" | "agentId">,
  { meterName, ...page }: z.output<typeof ListAgentPricesQuery>,
  now: Date,
): Promise<Page<AgentPrice>> {
  const { customerId } = await getAgent(db, environmentId, agentId);
  const of = { name: meterName, ...(customerId !== null && { customerId }) };
  const meters = await listMeters(db, environmentId, { ...page, ...of }, now);
  const currency = await readCurrency(db, environmentId, now);
  return {
    pagination: meters.pagination,
    data: meters.data.map(({ id, name, displayName, unit, price, nextPrice, maxQuantityPerCall }) => ({
      id,
      meterName: name,
      displayName,
      unit,
      currency,
      price,
      nextPrice,
      maxQuantityPerCall,
    })),
  };
}

/** A new currency of the account's counts from the next period on. */
async function readCurrency(db: Queryable, environmentId: string, now: Date): Promise<string> {
  const rows = await db.query<{ currency: string }>(
    `SELECT coalesce(
       (SELECT p.currency FROM periods p WHERE p.environment_id = e.id AND p.starts_at <= $2 AND p.ends_at > $2
        ORDER BY p.starts_at LIMIT 1),
       e.currency, a.currency
     ) AS currency
     FROM environments e JOIN accounts a ON a.id = e.account_id WHERE e.id = $1`,
    [environmentId, now],
  );
  return onlyRow(rows).currency;
}
