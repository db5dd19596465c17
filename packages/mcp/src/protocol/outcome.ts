import type { BudgetState, Outcome, Policy, Receipt } from "@licentric/paywall/adapter";
import { isRecord, property } from "@licentric/paywall/adapter";
import { META_PREFIX } from "./meta.ts";

/** `_meta` key of the budget, where `warnAgent` is on and the budget is nearly used up. */
export const BUDGET_META_KEY = `${META_PREFIX}budget`;

/** `_meta` key of the receipt of a billed call, where `receipts` is on. */
export const RECEIPT_META_KEY = `${META_PREFIX}receipt`;

/** Returns the result with a receipt in its `_meta`, where there is one. */
export function withReceipt(result: unknown, receipt: Receipt | undefined): unknown {
  if (receipt === undefined || !isRecord(result)) return result;
  const meta = isRecord(result["_meta"]) ? result["_meta"] : {};
  return { ...result, _meta: { ...meta, [RECEIPT_META_KEY]: receipt } };
}

/** Returns the outcome that a handler's result means. */
export function outcomeOf(final: unknown, result: unknown): Outcome {
  if (property(final, "resultType") === "input_required") return { status: "input_required" };
  return property(final, "isError") === true ? { status: "failed" } : { status: "done", result };
}

/** The result with the budget's state in its `_meta`, where the agent is to be warned. The handler's own `_meta` wins. */
export function withWarning(result: unknown, policy: Policy, budget: BudgetState | undefined): unknown {
  if (!policy.warnAgent || budget === undefined || budget.status === "ok" || !isRecord(result)) return result;
  const meta = isRecord(result["_meta"]) ? result["_meta"] : {};
  return { ...result, _meta: { [BUDGET_META_KEY]: budget, ...meta } };
}
