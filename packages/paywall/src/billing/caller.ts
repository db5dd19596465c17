import type { BudgetState } from "@licentric/sdk";
import type { Verified } from "./gateway.ts";

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

/** Who called, of an answer of the API's. */
export function toCaller({ accountId, agentId, scopes, expiresAt, budget }: Verified): Caller {
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
