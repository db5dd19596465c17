import type { BudgetState } from "@licentric/sdk";

/** The agent that called, as the API said when it verified the credential. */
export interface Caller {
  /** The account that the agent belongs to. */
  readonly accountId: string;
  /** The agent. */
  readonly agentId: string;
  /** Scopes that the agent's credential has. */
  readonly scopes: readonly string[];
  /** Expiry of the credential; undefined where the API does not say. */
  readonly expiresAt: Date | undefined;
  /** The budget that applies to this call after it was counted; undefined where there is none. */
  readonly budget: BudgetState | undefined;
}

/**
 * Names an agent. What binds a call is bound to this and not to a token: the same agent may come with another one, as
 * when its credential is rotated.
 */
export function agentNameOf({ accountId, agentId }: Pick<Caller, "accountId" | "agentId">): string {
  return JSON.stringify([accountId, agentId]);
}
