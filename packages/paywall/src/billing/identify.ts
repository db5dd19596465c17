import { randomUUID } from "node:crypto";
import { toCaller } from "../credential/caller.ts";
import { hashToken, isAgentToken } from "../credential/find-credential.ts";
import type { Emitter } from "../events.ts";
import { type Links, refuse } from "../refusal/refusal.ts";
import { RefusedError } from "../refusal/refused-error.ts";
import { type Gateway, reasonForOwner } from "./gateway.ts";
import type { VerificationCache, VerifiedCaller } from "./verification-cache.ts";

/** Says who a token belongs to where no call is billed: in `requireBearerAuth`, and for lists. */
export type Identify = (token: string | undefined) => Promise<VerifiedCaller>;

/**
 * Makes the function that says who a token belongs to. It asks the API at most once in a while for each token, so
 * that a call behind `requireBearerAuth` still costs one request.
 *
 * The function throws {@link RefusedError}.
 */
export function createIdentify(options: {
  readonly gateway: Gateway;
  /** Hears of what is the owner's to mend. */
  readonly emitter: Emitter;
  readonly cache: VerificationCache;
  readonly links: Links;
  readonly timeout: number;
  readonly allowOffline: boolean;
}): Identify {
  const { gateway, emitter, cache, links, timeout, allowOffline } = options;
  return async (token) => {
    if (token === undefined) throw new RefusedError(refuse("missing_token", links));
    if (!isAgentToken(token)) throw new RefusedError(refuse("invalid_token", links));
    const tokenHash = hashToken(token);
    const recent = cache.recent(tokenHash);
    if (recent !== undefined) return recent;
    try {
      return await cache.verified(tokenHash, async () => {
        const response = await gateway.verify(token, {}, { idempotencyKey: randomUUID(), deadline: timeout });
        if ("refusal" in response) {
          const { code, retryAfter } = response.refusal;
          const reason = reasonForOwner(response);
          if (reason !== undefined) emitter.emit("failed", { reason, error: response.cause });
          throw new RefusedError(refuse(code, links, { retryAfter }));
        }
        return toCaller(response.value);
      });
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      const { code } = error.refusal;
      // Accepted, and not remembered as verified: the next call asks again.
      const known = code === "billing_unavailable" && allowOffline ? cache.lastKnown(tokenHash) : undefined;
      if (known !== undefined) return known;
      if (code === "invalid_token") cache.forget(tokenHash);
      throw error;
    }
  };
}
