import type { Identify } from "../billing/identify.ts";
import type { VerifiedCaller } from "../billing/verification-cache.ts";
import { RefusedError } from "../refusal/refused-error.ts";

/** A verified token, in the form that both SDKs know. */
export interface VerifiedAuth {
  token: string;
  /** The agent's id. */
  clientId: string;
  scopes: string[];
  /** Seconds since 1970. */
  expiresAt: number;
  /** The MCP server that the token was verified for, where the owner names it. */
  resource?: URL;
  /** The account's id, as `accountId`. */
  extra: Record<string, unknown>;
}

/**
 * The `verifier` that `requireBearerAuth` of both SDKs takes. Whoever asks it otherwise has to look at `expiresAt`, as
 * they do: a token that is not valid is answered as one that expired in 1970.
 */
export interface TokenVerifier {
  /** @throws Error where the API cannot be reached, which the SDKs answer with HTTP 500 */
  verifyAccessToken(token: string): Promise<VerifiedAuth>;
}

/** Options of `paywall.verifier`. */
export interface VerifierOptions {
  /** The URL of the MCP server, for `requireBearerAuth({ expectedResource })`. */
  readonly resource?: URL;
}

/** Seconds for which a token counts as valid where the API does not say. Each request renews it. */
const DEFAULT_LIFETIME = 60;

/** Makes a verifier for `requireBearerAuth`. */
export function createVerifier(identify: Identify, { resource }: VerifierOptions): TokenVerifier {
  return {
    async verifyAccessToken(token) {
      try {
        return toAuth(token, await identify(token), resource);
      } catch (error) {
        if (error instanceof RefusedError && error.refusal.status === 401)
          return expiredAuth(token, resource);
        throw error;
      }
    },
  };
}

/** Returns a caller in the form that the SDKs know. */
export function toAuth(token: string, caller: VerifiedCaller, resource: URL | undefined): VerifiedAuth {
  const { accountId, agentId, scopes, expiresAt } = caller;
  return {
    token,
    clientId: agentId,
    scopes: [...scopes],
    expiresAt:
      expiresAt === undefined
        ? Math.floor(Date.now() / 1_000) + DEFAULT_LIFETIME
        : expiresAt.getTime() / 1_000,
    ...(resource !== undefined && { resource }),
    extra: { accountId },
  };
}

/**
 * The SDKs answer 401 for their own error class alone, and there is one per copy of each SDK. They also answer it,
 * "Token has expired", for a token that has expired: so a token that is not valid is one that expired long ago. It
 * has every scope, because the SDKs look at the scopes before the expiry and would answer 403.
 */
function expiredAuth(token: string, resource: URL | undefined): VerifiedAuth {
  const scopes: string[] = [];
  Object.defineProperty(scopes, "includes", { value: () => true });
  return {
    token,
    clientId: "",
    scopes,
    expiresAt: 0,
    ...(resource !== undefined && { resource }),
    extra: {},
  };
}
