import type { Budget, CreateBudget, ListBudgetsQuery, UpdateBudget } from "@licentric/contract";
import type { z } from "zod";
import { getAgent } from "../agents/agents.ts";
import { getCustomer } from "../customers/customers.ts";
import { ApiError, notFound } from "../http/api-error.ts";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import { onlyRow, type Queryable, type SqlValue, uuidParam } from "../store/database.ts";
import { type BudgetUse, recordedStatus, toBudget } from "./budget-rules.ts";
import { changeBudgets } from "./budget-tables.ts";
import { selectBudgets } from "./budget-use.ts";
import { unknownMeter } from "./recorder.ts";

const DEFAULT_WARN_AT_PERCENT = 80;

/**
 * Limits what an agent, or a customer's agents together, may use of a meter, or spend on one or on all. What was used of
 * the window already counts.
 *
 * @throws {ApiError} `NOT_FOUND` for an unknown agent or customer, `UNPROCESSABLE` for an unknown meter, `CONFLICT` where
 * the agent or customer has a budget of this kind, meter and window.
 */
export async function createBudget(
  tx: Queryable,
  environmentId: string,
  {
    agentId,
    customerId,
    meterName,
    limit,
    amount,
    window = "period",
    warnAtPercent = DEFAULT_WARN_AT_PERCENT,
    enforced = false,
  }: z.output<typeof CreateBudget>,
  { newId, now }: { newId: () => string; now: Date },
): Promise<Budget> {
  const owner = await readOwner(tx, environmentId, { agentId, customerId });
  const meterId = meterName === undefined ? null : await readMeterId(tx, environmentId, meterName);
  const id = newId();
  const made = await insert(tx, owner, amount !== undefined, [
    id,
    environmentId,
    owner.id,
    meterId,
    window,
    amount ?? limit ?? null,
    warnAtPercent,
    enforced,
    now,
  ]);
  if (made.length === 0) {
    throw new ApiError(
      "CONFLICT",
      `The ${owner.kind} "${owner.name}" has a budget ${amount === undefined ? "" : "in money "}of ${meterName === undefined ? "all meters" : `"${meterName}"`} for this window (${window}) already. Update that one.`,
    );
  }
  return toBudget(await readBudget(tx, environmentId, id, now));
}

/** Adds a row to the table of the budget's kind; none where there is such a budget. */
function insert(
  tx: Queryable,
  { kind }: Owner,
  isMoney: boolean,
  values: readonly SqlValue[],
): Promise<{ id: string }[]> {
  if (isMoney) {
    return tx.query(
      `INSERT INTO money_budgets (${kind}_id, amount_limit, ${NEW_COLUMNS}) VALUES ($3, $6, ${NEW_VALUES})
       ON CONFLICT DO NOTHING RETURNING id`,
      values,
    );
  }
  return tx.query(
    kind === "agent"
      ? `INSERT INTO budgets (agent_id, quantity_limit, ${NEW_COLUMNS}) VALUES ($3, $6, ${NEW_VALUES})
         ON CONFLICT (agent_id, meter_id, budget_window) DO NOTHING RETURNING id`
      : `INSERT INTO customer_budgets (customer_id, quantity_limit, ${NEW_COLUMNS}) VALUES ($3, $6, ${NEW_VALUES})
         ON CONFLICT (customer_id, meter_id, budget_window) DO NOTHING RETURNING id`,
    values,
  );
}

const NEW_COLUMNS =
  "id, environment_id, meter_id, budget_window, warn_at_percent, enforced, created_at, updated_at";
const NEW_VALUES = "$1, $2, $4, $5, $7, $8, $9, $9";

/** @throws {ApiError} `UNPROCESSABLE`. */
async function readMeterId(tx: Queryable, environmentId: string, meterName: string): Promise<string> {
  const meters = await tx.query<{ id: string }>(
    "SELECT id FROM meters WHERE environment_id = $1 AND name = $2",
    [environmentId, meterName],
  );
  if (meters.length === 0) throw unknownMeter(meterName);
  return onlyRow(meters).id;
}

/** The agent or customer that a budget limits. */
interface Owner {
  readonly kind: "agent" | "customer";
  readonly id: string;
  readonly name: string;
}

async function readOwner(
  tx: Queryable,
  environmentId: string,
  { agentId, customerId }: Pick<z.output<typeof CreateBudget>, "agentId" | "customerId">,
): Promise<Owner> {
  if (customerId === undefined) {
    return { kind: "agent", ...(await getAgent(tx, environmentId, agentId ?? "")) };
  }
  return { kind: "customer", ...(await getCustomer(tx, environmentId, customerId)) };
}

/** Reads a budget with what is used of it. */
export async function getBudget(
  db: Queryable,
  environmentId: string,
  id: string,
  now: Date,
): Promise<Budget> {
  return toBudget(await readBudget(db, environmentId, id, now));
}

/** Lists budgets, newest first, with what is used of each. */
export function listBudgets(
  db: Queryable,
  environmentId: string,
  query: z.output<typeof ListBudgetsQuery>,
  now: Date,
): Promise<Page<Budget>> {
  const page = pageRequest(query);
  return readPage(
    page,
    (limit) =>
      selectBudgets(
        db,
        environmentId,
        {
          agentId: query.agentId === undefined ? null : uuidParam(query.agentId),
          customerId: query.customerId === undefined ? null : uuidParam(query.customerId),
          meterName: query.meterName ?? null,
          cursor: page.cursor,
          limit,
        },
        now,
      ),
    toBudget,
  );
}

/**
 * Changes a budget's limit or warning, or whether it is enforced. A threshold that is out of reach again by that can be reached, and told of,
 * once more in the same window.
 */
export async function updateBudget(
  tx: Queryable,
  environmentId: string,
  id: string,
  { limit, amount, warnAtPercent, enforced }: z.output<typeof UpdateBudget>,
  now: Date,
): Promise<Budget> {
  await tx.query(CHANGE, [
    environmentId,
    uuidParam(id),
    limit ?? null,
    warnAtPercent ?? null,
    enforced ?? null,
    now,
    amount ?? null,
  ]);
  // The row is locked by its update, and read by a statement that sees what was recorded before.
  const budget = await readBudget(tx, environmentId, id, now);
  requireKind(budget, { limit, amount });
  const status = recordedStatus(budget);
  await tx.query(FORGET, [budget.id, status === "ok", status !== "exceeded"]);
  return toBudget(budget);
}

/** @throws {ApiError} `UNPROCESSABLE` where the new limit is not of the budget's kind. */
function requireKind(
  { kind }: BudgetUse,
  { limit, amount }: Pick<z.output<typeof UpdateBudget>, "limit" | "amount">,
): void {
  if (kind === "units" && amount === undefined) return;
  if (kind === "money" && limit === undefined) return;
  throw new ApiError(
    "UNPROCESSABLE",
    kind === "units"
      ? "This budget is in units: change its limit, or make another one with an amount."
      : "This budget is in money: change its amount, or make another one with a limit.",
  );
}

const CHANGED = `warn_at_percent = coalesce($4, warn_at_percent), enforced = coalesce($5, enforced), updated_at = $6
  WHERE environment_id = $1 AND id = $2`;
const CHANGE = changeBudgets(
  `UPDATE budgets SET quantity_limit = coalesce($3, quantity_limit), ${CHANGED}`,
  `UPDATE customer_budgets SET quantity_limit = coalesce($3, quantity_limit), ${CHANGED}`,
  `UPDATE money_budgets SET amount_limit = coalesce($7, amount_limit), ${CHANGED}`,
);

const OUT_OF_REACH = `warned_window = CASE WHEN $2 THEN NULL ELSE warned_window END,
  exceeded_window = CASE WHEN $3 THEN NULL ELSE exceeded_window END
  WHERE id = $1`;
const FORGET = changeBudgets(
  `UPDATE budgets SET ${OUT_OF_REACH}`,
  `UPDATE customer_budgets SET ${OUT_OF_REACH}`,
  `UPDATE money_budgets SET ${OUT_OF_REACH}`,
);

/** Removes a budget, and answers what it was. */
export async function deleteBudget(
  tx: Queryable,
  environmentId: string,
  id: string,
  now: Date,
): Promise<Budget> {
  const budget = await readBudget(tx, environmentId, id, now);
  const removed = await tx.query(
    changeBudgets(
      "DELETE FROM budgets WHERE id = $1",
      "DELETE FROM customer_budgets WHERE id = $1",
      "DELETE FROM money_budgets WHERE id = $1",
    ),
    [budget.id],
  );
  if (removed.length === 0) throw notFound("budget", id);
  return toBudget(budget);
}

async function readBudget(db: Queryable, environmentId: string, id: string, now: Date): Promise<BudgetUse> {
  const rows = await selectBudgets(db, environmentId, { id: uuidParam(id), limit: 1 }, now);
  if (rows.length === 0) throw notFound("budget", id);
  return onlyRow(rows);
}
