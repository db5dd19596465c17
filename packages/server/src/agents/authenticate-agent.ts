import type { AgentCaller } from "../accounts/caller.ts";
import { createSecretLookUp } from "../accounts/look-up-secrets.ts";
import type { PresentedCredential } from "../accounts/secrets.ts";
import { type ApiError, unauthorized } from "../http/api-error.ts";
import type { Queryable } from "../store/database.ts";
import { hasBudget } from "./has-budget.ts";

interface CredentialRow {
  secret_hash: string;
  credential_id: string;
  agent_id: string;
  account_id: string;
  environment_id: string;
  scopes: string[];
  expires_at: Date;
  revoked_at: Date | null;
  status: "active" | "suspended";
  deleted_at: Date | null;
  has_budgets: boolean;
}

const LOOK_UP = `/* look-up-credentials */
SELECT c.secret_hash, c.id AS credential_id, c.agent_id, e.account_id, e.id AS environment_id, c.scopes,
       c.expires_at, c.revoked_at, a.status, a.deleted_at,
       ${hasBudget("a.id", "a.customer_id")} AS has_budgets
FROM credentials c
JOIN agents a ON a.id = c.agent_id
JOIN environments e ON e.id = c.environment_id
WHERE c.secret_hash = ANY ($1::text[])`;

/** Options for checking a token. */
export interface AgentCheck {
  /** Let a token pass that was valid once: work that began under it must still be billed. */
  readonly allowEnded?: boolean;
}

/** Checks agents' tokens. */
export interface AgentAuthenticator {
  /** @throws {ApiError} `UNAUTHORIZED`. */
  authenticate(credential: PresentedCredential, check?: AgentCheck): Promise<AgentCaller>;
  /** Asks the database for every token again. */
  forget(): void;
}

/**
 * Makes the check of agents' tokens. A revoked token, and one of a suspended or deleted agent, is refused at once in
 * the process that made the change, and within a second in every other one.
 */
export function createAgentAuthenticator(db: Queryable, now: () => Date): AgentAuthenticator {
  const { find, forget } = createSecretLookUp<CredentialRow>(db, {
    statement: LOOK_UP,
    isGood: (row) => row.revoked_at === null && row.deleted_at === null && row.status === "active",
  });

  const authenticate = async (
    { secret, hash }: PresentedCredential,
    { allowEnded = false }: AgentCheck = {},
  ): Promise<AgentCaller> => {
    if (secret.startsWith("lk_")) {
      throw unauthorized("wrong-kind", "This call needs an agent's token (AGT-…), not a management key.");
    }
    if (hash === null) {
      throw unauthorized(
        "malformed",
        "This is not an agent's token. It begins with AGT-; check that it was copied whole.",
      );
    }
    const row = await find(hash);
    if (row === null)
      throw unauthorized("unknown", "This token does not exist here. Authorize the agent again.");
    const end = endOf(row, now());
    if (end !== null && !allowEnded) throw end;
    return {
      kind: "agent",
      credentialId: row.credential_id,
      agentId: row.agent_id,
      accountId: row.account_id,
      environmentId: row.environment_id,
      scopes: row.scopes,
      expiresAt: row.expires_at,
      ended: end !== null,
      hasBudgets: row.has_budgets,
    };
  };
  return { authenticate, forget };
}

/** Returns the error for a credential that is no longer valid; null for one that is valid. */
function endOf(row: CredentialRow, now: Date): ApiError | null {
  if (row.deleted_at !== null) return unauthorized("deleted", "The agent of this token was deleted.");
  // Whatever the time: the clock of the process that revoked it may be ahead of this one's.
  if (row.revoked_at !== null) {
    return unauthorized("revoked", "This token was revoked. Authorize the agent again.");
  }
  if (row.expires_at <= now) {
    const expiredAt = row.expires_at.toISOString();
    const message = `This token expired at ${expiredAt}. Authorize the agent again.`;
    return unauthorized("expired", message, { expiredAt });
  }
  if (row.status !== "suspended") return null;
  return unauthorized("suspended", "The agent of this token is suspended.");
}
