import type { BudgetState } from "@licentric/sdk";
import type { CallSubject } from "../events.ts";
import { META_PREFIX, type Refusal } from "../refusal.ts";
import { isRecord, member } from "../util/record.ts";
import type { Outcome } from "./admission.ts";
import type { Policy } from "./policy.ts";

/** `_meta` key of the budget, where `warnAgent` is on and the budget is nearly used up. */
export const BUDGET_META_KEY = `${META_PREFIX}budget`;

/** Something that is charged for, behind its policy. */
export interface Gate extends CallSubject {
  /** Tells this gate from every other, across requests and restarts. */
  readonly id: string;
  readonly policy: Policy;
  /**
   * Tells a handler without a name from others of equal text and price, in this process alone; undefined where a name
   * tells it.
   */
  readonly madeOf?: string;
  /**
   * The owner's policy of what a server serves, where this stands before that and so before what a request can ask for;
   * undefined around a single handler. One call passes gates of the same policy as one.
   */
  readonly serves?: Policy;
}

/** What passing a gate gives: the handler's result, or why there is none. */
export type Passage = { readonly result: unknown } | { readonly refusal: Refusal };

/** How a handler's result ended its run. */
export function outcomeOf(final: unknown, result: unknown): Outcome {
  if (member(final, "resultType") === "input_required") return { status: "input_required" };
  return member(final, "isError") === true ? { status: "failed" } : { status: "done", result };
}

/** The result with the budget's state in its `_meta`, where the agent is to be warned. The handler's own `_meta` wins. */
export function withWarning(result: unknown, policy: Policy, budget: BudgetState | undefined): unknown {
  if (!policy.warnAgent || budget === undefined || budget.status === "ok" || !isRecord(result)) return result;
  const meta = isRecord(result["_meta"]) ? result["_meta"] : {};
  return { ...result, _meta: { [BUDGET_META_KEY]: budget, ...meta } };
}
