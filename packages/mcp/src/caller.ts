import type { BudgetState } from "@licentric/sdk";

/** Who called, as the API said when it verified the credential. */
export interface Caller {
  /** The account that the agent belongs to. */
  readonly accountId: string;
  /** The agent. */
  readonly agentId: string;
  /** What the agent's credential allows. */
  readonly scopes: readonly string[];
  /** When the credential expires; undefined where the API does not say. */
  readonly expiresAt: Date | undefined;
  /** The budget that applies to this call after it was counted; undefined where there is none. */
  readonly budget: BudgetState | undefined;
}
