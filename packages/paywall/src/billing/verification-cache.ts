import type { Caller } from "../credential/caller.ts";
import type { TokenHash } from "../credential/find-credential.ts";
import { type BoundedMap, createBoundedMap } from "../util/bounded-map.ts";

/** The caller that a token stands for. It holds no budget: that changes with every call. */
export type VerifiedCaller = Omit<Caller, "budget">;

/** Options of {@link createVerificationCache}. Times are in milliseconds. */
export interface VerificationCacheOptions {
  /** Time that a verified token is trusted without asking again. 0 asks each time. */
  readonly cacheTtl: number;
  /** Milliseconds for which {@link VerificationCache.recent} has a verified token, where that is longer; 0 by default. */
  readonly recentTtl?: number;
  /** Most tokens remembered; 10 000 by default. */
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
  /** A number from 0 and below 1, by which the token that leaves is chosen; `Math.random` by default. */
  readonly random?: () => number;
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
   * The caller where the token was verified lately: recent enough for `requireBearerAuth`, behind which every call is
   * verified again.
   */
  recent(tokenHash: TokenHash): VerifiedCaller | undefined;
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

/** One object with numbers for each token: there may be a million of them. */
interface Entry {
  readonly caller: VerifiedCaller;
  /** Trust counts from the question: the response may have been old when it arrived. */
  readonly askedAt: number;
  readonly knownUntil: number;
  /** The passed time minus the system's at this entry's making: it ends by whichever clock is first, as the system's can be set back. */
  readonly elapsedAhead: number;
  /** It has come again since it was made, or since it was last to leave and stayed for that. */
  isUsed: boolean;
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
  const { cacheTtl, recentTtl = 0, maxEntries = 10_000, lastKnownTtl = 3_600_000 } = options;
  const { now = () => Date.now(), elapsed = () => performance.now(), random = Math.random } = options;
  const settings = { cacheTtl, lastKnownTtl, now, elapsed };
  const known: KnownCallers = {
    settings,
    entries: createBoundedMap({
      limit: maxEntries,
      random,
      isSpent: (entry) => !isWithin(entry, cacheTtl, settings),
      mayLeave,
    }),
    requests: new Map(),
  };
  const { entries, requests } = known;
  return {
    verified: (tokenHash, verify, signal) => verified(known, tokenHash, verify, signal),
    trusted: (tokenHash) => verifiedWithin(known, tokenHash, cacheTtl),
    recent: (tokenHash) => verifiedWithin(known, tokenHash, Math.max(cacheTtl, recentTtl)),
    lastKnown: (tokenHash) => verifiedWithin(known, tokenHash, Number.POSITIVE_INFINITY),
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

type Settings = Required<Pick<VerificationCacheOptions, "cacheTtl" | "lastKnownTtl" | "now" | "elapsed">>;

interface KnownCallers {
  readonly settings: Settings;
  readonly entries: BoundedMap<Entry>;
  readonly requests: Map<TokenHash, SharedRequest>;
}

/** Returns whether an entry that was verified so many milliseconds ago at most is known still, by both clocks. */
function isWithin(entry: Entry, ttl: number, { now, elapsed }: Settings): boolean {
  const until = Math.min(entry.askedAt + ttl, entry.knownUntil);
  return now() < until && elapsed() < until + entry.elapsedAhead;
}

/**
 * Returns whether a token may make way for another: it has not come again since it was last looked at for this. Were the
 * least recently used to leave, slightly more agents than there are places, each in its turn, would find none of themselves.
 */
function mayLeave(entry: Entry): boolean {
  const { isUsed } = entry;
  entry.isUsed = false;
  return !isUsed;
}

/** The caller that a token stood for, where that was said within so many milliseconds. */
function verifiedWithin(
  { entries, settings }: KnownCallers,
  tokenHash: TokenHash,
  ttl: number,
): VerifiedCaller | undefined {
  const entry = entries.get(tokenHash);
  if (entry === undefined) return undefined;
  if (isWithin(entry, ttl, settings)) {
    entry.isUsed = true;
    return copyOf(entry.caller);
  }
  if (!isWithin(entry, Number.POSITIVE_INFINITY, settings)) entries.delete(tokenHash);
  return undefined;
}

function store(
  { entries, settings }: KnownCallers,
  tokenHash: TokenHash,
  caller: VerifiedCaller,
  askedAt: number,
): void {
  const { cacheTtl, lastKnownTtl, now, elapsed } = settings;
  const knownUntil = caller.expiresAt?.getTime() ?? askedAt + Math.max(lastKnownTtl, cacheTtl);
  const isUsed = entries.get(tokenHash) !== undefined;
  entries.delete(tokenHash);
  // An expiry that is no date compares false and is not remembered.
  if (!(knownUntil > now())) return;
  const elapsedAhead = elapsed() - now();
  entries.set(tokenHash, { caller: copyOf(caller), askedAt, knownUntil, elapsedAhead, isUsed });
}

async function verified(
  known: KnownCallers,
  tokenHash: TokenHash,
  verify: (signal: AbortSignal) => Promise<VerifiedCaller>,
  signal?: AbortSignal,
): Promise<VerifiedCaller> {
  signal?.throwIfAborted();
  const caller = verifiedWithin(known, tokenHash, known.settings.cacheTtl);
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
