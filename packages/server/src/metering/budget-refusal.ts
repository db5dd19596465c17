import { ApiError } from "../http/api-error.ts";
import type { NewUse } from "./budget-costs.ts";
import { type BudgetUse, budgetState, isTooLarge, longestRefusing, takes } from "./budget-rules.ts";

/** `BUDGET_EXCEEDED` where usage does not fit into every budget; else null. */
export function budgetRefusal(budgets: readonly BudgetUse[], use: NewUse): ApiError | null {
  const budget = longestRefusing(budgets, use);
  if (budget === undefined) return null;
  const state = budgetState(budget, use.meterName);
  const name = nameOf(budget);
  const more = budget.kind === "units" ? `${use.quantity}` : takes(budget, use).toFixed();
  const used = state.amounts?.used ?? state.used;
  const full = `${name} is used up: ${used} are used or held, and ${more} more do not fit. Nothing was recorded.`;
  if (isTooLarge(budget, use)) {
    const message = `${name} is less than ${more} in all. Nothing was recorded. Its owner can raise it.`;
    // Of a budget in units a caller sees it by the quantity.
    const resetsAt = budget.kind === "units" ? state.resetsAt : null;
    return new ApiError("BUDGET_EXCEEDED", message, { budget: { ...state, resetsAt } });
  }
  const when = state.resetsAt === null ? "Its owner can raise it." : `It starts again at ${state.resetsAt}.`;
  return new ApiError("BUDGET_EXCEEDED", `${full} ${when}`, { budget: state });
}

/** A budget in words: `The agent's budget of 5 "api_calls" per day`. */
function nameOf(budget: BudgetUse): string {
  const owner = budget.agentId === null ? "The customer's" : "The agent's";
  const per = budget.window === "total" ? "in total" : `per ${budget.window}`;
  const meter = budget.meterName === null ? "" : `"${budget.meterName}" `;
  if (budget.kind === "units") return `${owner} budget of ${budget.limit} ${meter}${per}`;
  const amount = `${budget.limit} ${budget.currency.toUpperCase()}`;
  return `${owner} budget of ${amount} ${meter === "" ? "" : `for ${meter}`}${per}`;
}
