import { randomUUID } from "node:crypto";
import { hashToken, isAgentToken } from "../credential/token.ts";
import type { Emitter } from "../events.ts";
import { type Links, refuse } from "../refusal/refusal.ts";
import { Refused } from "../refusal/refused.ts";
import { createExpiringMap, type ExpiringMap } from "../util/expiring-map.ts";
import { toCaller } from "./caller.ts";
import { type Gateway, reasonForOwner } from "./gateway.ts";
import type { VerificationCache, VerifiedCaller } from "./verification-cache.ts";

/** Says who a token belongs to where no call is billed: in `requireBearerAuth`, and for lists. */
export type Identify = (token: string | undefined) => Promise<VerifiedCaller>;

/** A cache with what it learned lately: recent enough for `requireBearerAuth`, behind which every call is verified again. */
export interface RecentCallers {
  readonly cache: VerificationCache;
  readonly recent: ExpiringMap<VerifiedCaller>;
}

/** Adds a memory of `ttl` milliseconds to a cache. */
export function withRecent(cache: VerificationCache, ttl: number, now: () => number): RecentCallers {
  const recent = createExpiringMap<VerifiedCaller>({ limit: 10_000, ttl, now });
  return {
    recent,
    cache: {
      ...cache,
      get size() {
        return cache.size;
      },
      async verified(tokenHash, verify, signal) {
        const caller = await cache.verified(tokenHash, verify, signal);
        recent.set(tokenHash, caller);
        return caller;
      },
      remember(tokenHash, caller, askedAt) {
        cache.remember(tokenHash, caller, askedAt);
        recent.set(tokenHash, caller);
      },
      forget(tokenHash) {
        cache.forget(tokenHash);
        recent.delete(tokenHash);
      },
    },
  };
}

/**
 * Makes the function that says who a token belongs to. It asks the API at most once in a while for each token, so
 * that a call behind `requireBearerAuth` still costs one request.
 *
 * The function throws {@link Refused}.
 */
export function createIdentify(options: {
  readonly gateway: Gateway;
  /** Hears of what is the owner's to mend. */
  readonly emitter: Emitter;
  readonly callers: RecentCallers;
  readonly links: Links;
  readonly timeout: number;
  readonly allowOffline: boolean;
}): Identify {
  const { gateway, emitter, callers, links, timeout, allowOffline } = options;
  const { cache, recent } = callers;
  return async (token) => {
    if (token === undefined) throw new Refused(refuse("missing_token", links));
    if (!isAgentToken(token)) throw new Refused(refuse("invalid_token", links));
    const tokenHash = hashToken(token);
    const known = recent.get(tokenHash);
    if (known !== undefined && !hasExpired(known)) return known;
    try {
      return await cache.verified(tokenHash, async () => {
        const response = await gateway.verify(token, {}, { idempotencyKey: randomUUID(), deadline: timeout });
        if ("refusal" in response) {
          const { code, retryAfter } = response.refusal;
          const reason = reasonForOwner(response);
          if (reason !== undefined) emitter.emit("failed", { reason, error: response.cause });
          throw new Refused(refuse(code, links, { retryAfter }));
        }
        return toCaller(response.value);
      });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { code } = error.refusal;
      // Accepted, and not remembered as verified: the next call asks again.
      const known = code === "billing_unavailable" && allowOffline ? cache.lastKnown(tokenHash) : undefined;
      if (known !== undefined) return known;
      if (code === "invalid_token") cache.forget(tokenHash);
      throw error;
    }
  };
}

const hasExpired = ({ expiresAt }: VerifiedCaller) =>
  expiresAt !== undefined && expiresAt.getTime() <= Date.now();
