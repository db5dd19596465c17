import type { Caller } from "../credential/caller.ts";
import type { TokenHash } from "../credential/find-credential.ts";
import { createExpiringMap, type ExpiringMap } from "../util/expiring-map.ts";

/** The caller that a token stands for. It holds no budget: that changes with every call. */
export type VerifiedCaller = Omit<Caller, "budget">;

/** Options of {@link createVerificationCache}. Times are in milliseconds. */
export interface VerificationCacheOptions {
  /** Time that a verified token is trusted without asking again. 0 asks each time. */
  readonly cacheTtl: number;
  /** Most tokens remembered; the least recently used is forgotten first. 10 000 by default. */
  readonly maxEntries?: number;
  /**
   * Time that `lastKnown` remembers a token of which the API did not say when it expires: 1 hour by default. A
   * token with a known expiry is known until then.
   */
  readonly lastKnownTtl?: number;
  /** The present moment in milliseconds since 1970; `Date.now` by default. */
  readonly now?: () => number;
  /** Milliseconds that have passed, which no change of the system's clock changes; `performance.now` by default. */
  readonly elapsed?: () => number;
}

/** Remembers whom tokens stand for. */
export interface VerificationCache {
  /**
   * The token's caller: as remembered, or as `verify` returns. Calls for one token that come while a request is
   * in flight share it. A signal ends only its own caller's wait; the request ends when nobody waits any more.
   * What `verify` throws reaches everybody who waits and is not remembered.
   *
   * @throws what `verify` throws, or the signal's reason.
   */
  verified(
    tokenHash: TokenHash,
    verify: (signal: AbortSignal) => Promise<VerifiedCaller>,
    signal?: AbortSignal,
  ): Promise<VerifiedCaller>;
  /** The caller where the token is trusted without asking; undefined where it has to be verified. */
  trusted(tokenHash: TokenHash): VerifiedCaller | undefined;
  /**
   * The caller at the last verification, however long ago, while the token itself has not expired: for
   * `onUnavailable: "allow"`, and for nothing else.
   */
  lastKnown(tokenHash: TokenHash): VerifiedCaller | undefined;
  /** Takes in what another request (verify and meter in one) learned. `askedAt` is when that was sent. */
  remember(tokenHash: TokenHash, caller: VerifiedCaller, askedAt?: number): void;
  /** Forgets a token everywhere, `lastKnown` included: call it whenever the API answers 401 for it. */
  forget(tokenHash: TokenHash): void;
  /** The number of tokens that are remembered. */
  readonly size: number;
}

interface Entry {
  readonly caller: VerifiedCaller;
  readonly trustedUntil: End;
  readonly knownUntil: End;
}

/** The end of something by both clocks, whichever comes first: the system's can be set back. */
interface End {
  readonly now: number;
  readonly elapsed: number;
}

interface SharedRequest {
  readonly response: Promise<VerifiedCaller>;
  readonly controller: AbortController;
  waiting: number;
}

/**
 * Makes a cache of verified tokens, keyed by their hashes: it never holds a token itself.
 *
 * Refusals are never remembered. A token may become valid a moment after it was refused (it was just issued, its
 * agent was resumed), guesses would push real callers out of a bounded cache, and the API limits the rate of bad
 * credentials itself. Concurrent calls with one bad token still share one request.
 *
 * @example
 * ```ts
 * const cache = createVerificationCache({ cacheTtl: 30_000 });
 * const caller = await cache.verified(hashToken(token), (signal) => verify(token, { signal }), extra.signal);
 * ```
 */
export function createVerificationCache(options: VerificationCacheOptions): VerificationCache {
  const { cacheTtl, maxEntries = 10_000, lastKnownTtl = 3_600_000 } = options;
  const { now = Date.now, elapsed = () => performance.now() } = options;
  const known: KnownCallers = {
    settings: { cacheTtl, maxEntries, lastKnownTtl, now, elapsed },
    entries: new Map(),
    requests: new Map(),
  };
  const { entries, requests } = known;
  return {
    verified: (tokenHash, verify, signal) => verified(known, tokenHash, verify, signal),
    trusted: (tokenHash) => trusted(known, tokenHash),
    lastKnown(tokenHash) {
      const entry = find(known, tokenHash);
      return entry && copyOf(entry.caller);
    },
    remember: (tokenHash, caller, askedAt = now()) => store(known, tokenHash, caller, askedAt),
    forget(tokenHash) {
      entries.delete(tokenHash);
      requests.delete(tokenHash);
    },
    get size() {
      return entries.size;
    },
  };
}

interface KnownCallers {
  readonly settings: Required<VerificationCacheOptions>;
  /** In the order of insertion: re-inserted on use, the first entry is the least recently used. */
  readonly entries: Map<TokenHash, Entry>;
  readonly requests: Map<TokenHash, SharedRequest>;
}

function find({ entries, settings }: KnownCallers, tokenHash: TokenHash): Entry | undefined {
  const entry = entries.get(tokenHash);
  if (entry === undefined) return undefined;
  entries.delete(tokenHash);
  if (!isBefore(entry.knownUntil, settings)) return undefined;
  entries.set(tokenHash, entry);
  return entry;
}

type Clocks = Pick<Required<VerificationCacheOptions>, "now" | "elapsed">;

function isBefore(end: End, { now, elapsed }: Clocks): boolean {
  return now() < end.now && elapsed() < end.elapsed;
}

function trusted(known: KnownCallers, tokenHash: TokenHash): VerifiedCaller | undefined {
  const entry = find(known, tokenHash);
  return entry && isBefore(entry.trustedUntil, known.settings) ? copyOf(entry.caller) : undefined;
}

function store(known: KnownCallers, tokenHash: TokenHash, caller: VerifiedCaller, askedAt: number): void {
  const { entries, settings } = known;
  const { cacheTtl, maxEntries, lastKnownTtl, now } = settings;
  entries.delete(tokenHash);
  const expiry = caller.expiresAt?.getTime();
  // Trust counts from the question: the response may have been old when it arrived.
  const knownUntil = expiry ?? askedAt + Math.max(lastKnownTtl, cacheTtl);
  // An expiry that is no date compares false and is not remembered.
  if (!(knownUntil > now())) return;
  const trustedUntil = Math.min(askedAt + cacheTtl, knownUntil);
  const toEnd = (until: number): End => ({ now: until, elapsed: settings.elapsed() + until - now() });
  entries.set(tokenHash, {
    caller: copyOf(caller),
    trustedUntil: toEnd(trustedUntil),
    knownUntil: toEnd(knownUntil),
  });
  for (const oldest of entries.keys()) {
    if (entries.size <= maxEntries) break;
    entries.delete(oldest);
  }
}

async function verified(
  known: KnownCallers,
  tokenHash: TokenHash,
  verify: (signal: AbortSignal) => Promise<VerifiedCaller>,
  signal?: AbortSignal,
): Promise<VerifiedCaller> {
  signal?.throwIfAborted();
  const caller = trusted(known, tokenHash);
  if (caller) return caller;
  const request = known.requests.get(tokenHash) ?? start(known, tokenHash, verify);
  request.waiting++;
  try {
    return copyOf(await orAborted(request.response, signal));
  } finally {
    request.waiting--;
    if (request.waiting === 0) end(known, tokenHash, request);
  }
}

function start(
  known: KnownCallers,
  tokenHash: TokenHash,
  verify: (signal: AbortSignal) => Promise<VerifiedCaller>,
): SharedRequest {
  const { requests } = known;
  const askedAt = known.settings.now();
  const controller = new AbortController();
  const response = ask(verify, controller.signal).then((caller) => {
    // Given up or forgotten meanwhile: then it must not come back by this late response.
    if (requests.get(tokenHash) === request) store(known, tokenHash, caller, askedAt);
    return caller;
  });
  // Those who wait hear of a failure; when nobody waits any more there is nobody to tell.
  response.catch(() => undefined);
  const request: SharedRequest = { response, controller, waiting: 0 };
  requests.set(tokenHash, request);
  return request;
}

/** Ends a request that nobody waits for any more: it is over, or was given up by everybody and is called off. */
function end({ requests }: KnownCallers, tokenHash: TokenHash, request: SharedRequest): void {
  if (requests.get(tokenHash) === request) requests.delete(tokenHash);
  request.controller.abort();
}

async function ask(verify: (signal: AbortSignal) => Promise<VerifiedCaller>, signal: AbortSignal) {
  return verify(signal);
}

/** A copy for each: one handler that changes what it was given does not change what the next one sees. */
function copyOf({ accountId, agentId, scopes, expiresAt }: VerifiedCaller): VerifiedCaller {
  return {
    accountId,
    agentId,
    scopes: [...scopes],
    expiresAt: expiresAt && new Date(expiresAt),
  };
}

function orAborted<T>(response: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return response;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    response.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

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
