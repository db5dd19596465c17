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

/** An agent as the API describes it. */
export interface VerifiedAgent {
  readonly accountId: string;
  readonly agentId: string;
  readonly scopes: readonly string[];
  readonly expiresAt?: string | undefined;
  readonly budget?: BudgetState | undefined;
}

/** Reads the caller from a response of the API. */
export function toCaller({ accountId, agentId, scopes, expiresAt, budget }: VerifiedAgent): Caller {
  return {
    accountId,
    agentId,
    scopes,
    expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt),
    budget,
  };
}

/**
 * Names an agent. What binds a call is bound to this and not to a token: the same agent may come with another one, as
 * when its credential is rotated.
 */
export function agentNameOf({ accountId, agentId }: Pick<Caller, "accountId" | "agentId">): string {
  return JSON.stringify([accountId, agentId]);
}
