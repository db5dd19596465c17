import type { Queryable } from "../store/database.ts";
import { type BudgetRow, selectUse, toUse } from "./budget-rows.ts";
import { type ApplyingBudgets, type BudgetTarget, type BudgetUse, budgetKey } from "./budget-rules.ts";
import { ALL_BUDGETS, customerBudgetsOf, moneyBudgetsOf, ownBudgetsOf } from "./budget-tables.ts";

/** Selects the budgets that apply to usage, each once. @param first as of {@link ownBudgetsOf}. */
const applyingTo = (first: number) => `
SELECT b.*, applied.places FROM (
  SELECT id, array_agg(ord::int) AS places
  FROM (${ownBudgetsOf(first)} UNION ALL ${customerBudgetsOf(first)} UNION ALL ${moneyBudgetsOf(first)}) found
  GROUP BY id
) applied JOIN ${ALL_BUDGETS} b ON b.id = applied.id`;

/** The budgets that apply, as they stand. */
export async function readBudgetsFor(db: Queryable, target: BudgetTarget, now: Date): Promise<BudgetUse[]> {
  const rows = await db.query<BudgetRow>(`/* read-budgets */${selectUse(applyingTo(2))}`, [
    now,
    ...parametersOf([target]),
  ]);
  return rows.map(toUse);
}

/** Those of agents, of customers, and in money, one after the other, as the parts of a union are run in their order. */
const LOCK = `/* lock-budgets */
WITH own AS (
  SELECT b.id FROM budgets b WHERE b.id IN (SELECT id FROM (${ownBudgetsOf(1)}) found)
  ORDER BY b.id FOR NO KEY UPDATE
),
shared AS (
  SELECT b.id FROM customer_budgets b WHERE b.id IN (SELECT id FROM (${customerBudgetsOf(1)}) found)
  ORDER BY b.id FOR NO KEY UPDATE
),
money AS (
  SELECT b.id FROM money_budgets b WHERE b.id IN (SELECT id FROM (${moneyBudgetsOf(1)}) found)
  ORDER BY b.id FOR NO KEY UPDATE
)
SELECT id FROM own UNION ALL SELECT id FROM shared UNION ALL SELECT id FROM money`;

const READ_LOCKED = `/* read-locked-budgets */${selectUse(applyingTo(2), " b.places,")} ORDER BY b.id`;

/**
 * Locks the budgets that apply to any of the targets until the transaction ends, and reads what is used of them.
 * Whoever checks and records under this lock is alone with them, in all processes. They are locked in one order
 * everywhere. Reading is a statement of its own: it must see what those did who held the lock before.
 *
 * A budget that was made between the two, or applies from then on as its agent moved to another customer, is not locked
 * and therefore left out: recording tells of it.
 */
export async function lockBudgetsFor(
  tx: Queryable,
  targets: readonly BudgetTarget[],
  now: Date,
): Promise<ApplyingBudgets> {
  const unique = [...new Map(targets.map((target) => [budgetKey(target), target])).values()];
  const values = parametersOf(unique);
  // Sent together, and run one after the other.
  const [locked, rows] = await Promise.all([
    tx.query<{ id: string }>(LOCK, values),
    tx.query<BudgetRow & { places: number[] }>(READ_LOCKED, [now, ...values]),
  ]);
  const ids = new Set(locked.map(({ id }) => id));
  const uses = new Map<string, BudgetUse>();
  const idsFor = new Map<string, string[]>();
  for (const row of rows.filter(({ id }) => ids.has(id))) {
    uses.set(row.id, toUse(row));
    for (const place of row.places) {
      const target = unique[place - 1];
      if (target === undefined) throw new Error("a budget applies to nothing that was asked for");
      const key = budgetKey(target);
      idsFor.set(key, [...(idsFor.get(key) ?? []), row.id]);
    }
  }
  return { uses, idsFor };
}

function parametersOf(targets: readonly BudgetTarget[]) {
  return [
    targets.map(({ environmentId }) => environmentId),
    targets.map(({ agentId }) => agentId),
    targets.map(({ meterName }) => meterName),
  ];
}

/** Reads budgets of an environment, newest first. */
export async function selectBudgets(
  db: Queryable,
  environmentId: string,
  narrowing: {
    readonly id?: string | null;
    readonly agentId?: string | null;
    readonly customerId?: string | null;
    /** The agent whose own budgets, and those of its customer, are read. */
    readonly applyingToAgent?: string | null;
    readonly meterName?: string | null;
    readonly cursor?: string | null;
    readonly limit: number;
  },
  now: Date,
): Promise<BudgetUse[]> {
  const rows = await db.query<BudgetRow>(
    `${selectUse(`
       SELECT b.* FROM ${ALL_BUDGETS} b LEFT JOIN meters m ON m.id = b.meter_id
       WHERE b.environment_id = $2 AND ($3::uuid IS NULL OR b.id = $3) AND ($4::uuid IS NULL OR b.agent_id = $4)
         AND ($5::uuid IS NULL OR b.customer_id = $5)
         AND ($6::uuid IS NULL OR b.agent_id = $6
           OR b.customer_id = (SELECT customer_id FROM agents WHERE environment_id = $2 AND id = $6))
         AND ($7::text IS NULL OR m.name = $7) AND ($8::uuid IS NULL OR b.id < $8)
       ORDER BY b.id DESC LIMIT $9`)} ORDER BY b.id DESC`,
    [
      now,
      environmentId,
      narrowing.id ?? null,
      narrowing.agentId ?? null,
      narrowing.customerId ?? null,
      narrowing.applyingToAgent ?? null,
      narrowing.meterName ?? null,
      narrowing.cursor ?? null,
      narrowing.limit,
    ],
  );
  return rows.map(toUse);
}
