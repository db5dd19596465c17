import type { Queryable } from "../store/database.ts";
import { enqueueWebhook } from "../webhooks/outbox.ts";
import { type BudgetUse, thresholdsToTell, toBudget } from "./budget-rules.ts";
import { changeBudgets } from "./budget-tables.ts";

/**
 * Tells webhooks of the thresholds that a budget has reached, each once in a window: the mark that it was told is set
 * in the same transaction. The caller holds the lock on the budget.
 */
export async function tellThresholds(
  tx: Queryable,
  budget: BudgetUse,
  { newId, now }: { readonly newId: () => string; readonly now: Date },
): Promise<void> {
  const thresholds = thresholdsToTell(budget);
  if (thresholds.length === 0) return;
  for (const threshold of thresholds) {
    await enqueueWebhook(tx, budget.environmentId, `budget.${threshold}`, toBudget(budget), { newId, now });
  }
  await tx.query(TELL, [
    budget.id,
    thresholds.includes("warning"),
    thresholds.includes("exceeded"),
    budget.windowKey,
  ]);
}

const TOLD = `warned_window = CASE WHEN $2 THEN $4 ELSE warned_window END,
  exceeded_window = CASE WHEN $3 THEN $4 ELSE exceeded_window END
  WHERE id = $1`;

const TELL = changeBudgets(
  `UPDATE budgets SET ${TOLD}`,
  `UPDATE customer_budgets SET ${TOLD}`,
  `UPDATE money_budgets SET ${TOLD}`,
);
