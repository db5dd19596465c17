import type { KeyScope, Mode } from "@licentric/contract";
import { ApiError } from "../http/api-error.ts";

/** Caller with a management key. */
export interface KeyCaller {
  readonly kind: "key";
  readonly keyId: string;
  readonly accountId: string;
  readonly environmentId: string;
  readonly mode: Mode;
  /** null: full access. */
  readonly scopes: readonly KeyScope[] | null;
}

/** Caller with an agent's token. */
export interface AgentCaller {
  readonly kind: "agent";
  readonly credentialId: string;
  readonly agentId: string;
  readonly accountId: string;
  readonly environmentId: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date;
  /**
   * True where the credential is no longer valid: then it settles what it began itself, and nothing else of
   * the agent's.
   */
  readonly ended: boolean;
  /** True where the agent or its customer has any budget: the calls of agents without one skip the work for budgets. */
  readonly hasBudgets: boolean;
}

/** Checks whether the key has the scope. */
export function hasKeyScope({ scopes }: Pick<KeyCaller, "scopes">, scope: KeyScope): boolean {
  return scopes === null || scopes.includes(scope);
}

/** @throws {ApiError} `FORBIDDEN` when the key lacks the scope. */
export function requireKeyScope(caller: KeyCaller, scope: KeyScope): void {
  if (hasKeyScope(caller, scope)) return;
  throw new ApiError(
    "FORBIDDEN",
    `This key lacks the scope "${scope}". Use a key that has it, or one with full access.`,
    {
      requiredScope: scope,
    },
  );
}

/**
 * Refuses to give a new key what the caller's own lacks.
 *
 * @param scopes null or undefined: full access
 * @throws {ApiError} `FORBIDDEN`
 */
export function requireGivable(
  { scopes: own }: Pick<KeyCaller, "scopes">,
  scopes: readonly KeyScope[] | null | undefined,
): void {
  if (own === null) return;
  const lacking = scopes == null ? "full access" : scopes.find((scope) => !own.includes(scope));
  if (lacking === undefined) return;
  const what = scopes == null ? lacking : `the scope "${lacking}"`;
  throw new ApiError("FORBIDDEN", `A key cannot give what it lacks itself: ${what}.`, { scope: what });
}

/** @throws {ApiError} `INSUFFICIENT_SCOPE` when the agent's credential lacks one of the scopes. */
export function requireAgentScopes(caller: AgentCaller, required: readonly string[]): void {
  const missing = required.filter((scope) => !caller.scopes.includes(scope));
  if (missing.length === 0) return;
  throw new ApiError(
    "INSUFFICIENT_SCOPE",
    `The token lacks the scope ${missing.map((scope) => `"${scope}"`).join(", ")}. Ask the owner for a token that has it.`,
    { requiredScopes: [...required], missingScopes: missing },
  );
}
