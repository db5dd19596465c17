import type { FastifyInstance, FastifyRequest } from "fastify";
import ipaddr from "ipaddr.js";
import type { Database } from "../store/database.ts";
import { ApiError } from "./api-error.ts";

/** Limits on the requests that are answered in a minute. */
export interface RateLimits {
  /** With one key or token. 600000 by default. */
  readonly perCredential?: number | undefined;
  /** From one address (of IPv6, one /64 network). 1200000 by default. */
  readonly perAddress?: number | undefined;
  /** False: requests are counted and none is refused. True by default. */
  readonly enforced?: boolean | undefined;
}

const PER_CREDENTIAL = 600_000;
const PER_ADDRESS = 1_200_000;
const WINDOW = 60_000;
const MOST_CALLERS = 100_000;

/** By what a caller is counted. */
export type RateKind = "address" | "credential";

/** State of one caller's limit in the current minute. */
export interface Standing {
  readonly limit: number;
  readonly remaining: number;
  /** Unix seconds at which the count begins again. */
  readonly reset: number;
  readonly exceeded: boolean;
}

/** Counts requests. */
export interface RateLimiter {
  /** Counts one request. Costs no query. */
  hit(kind: RateKind, caller: string, limit: number): Standing;
  /** Shares the counts with the other processes, and forgets past minutes. */
  sync(): Promise<void>;
}

interface Bucket {
  window: number;
  /** Known to all processes. */
  shared: number;
  /** Counted here and not shared yet. */
  own: number;
}

const SHARE = `/* share-rate-limits */
INSERT INTO rate_limits AS r (bucket, window_start, count)
SELECT bucket, $2, count FROM unnest($1::text[], $3::bigint[]) AS u (bucket, count) ORDER BY bucket
ON CONFLICT (bucket) DO UPDATE SET
  count = CASE WHEN r.window_start < EXCLUDED.window_start THEN EXCLUDED.count ELSE r.count + EXCLUDED.count END,
  window_start = greatest(r.window_start, EXCLUDED.window_start)
RETURNING bucket, window_start, count`;

/**
 * Makes the counter. Each process counts in memory and shares its counts through PostgreSQL once a second, one
 * statement for all callers, so that no request waits for it: between two of them, a caller of several processes
 * can pass its limit by what it sends in a second. The embedded database has one process, and nothing to share.
 *
 * Memory is bounded: of each kind, so many callers are counted in a minute. One that comes when they are that many is
 * answered and not counted; those made-up credentials that fill the count are still limited by their addresses.
 *
 * @param mostCallers of each kind in a minute. 100000 by default.
 */
export function createRateLimiter(
  db: Pick<Database, "kind" | "query">,
  now: () => Date,
  mostCallers: number = MOST_CALLERS,
): RateLimiter {
  const kinds = { address: new Map<string, Bucket>(), credential: new Map<string, Bucket>() };
  const currentWindow = () => Math.floor(now().getTime() / WINDOW) * WINDOW;

  const share = async () => {
    const window = currentWindow();
    const changed = [...kinds.address, ...kinds.credential].filter(
      ([, bucket]) => bucket.window === window && bucket.own > 0,
    );
    if (changed.length === 0) return;
    const counts = changed.map(([, bucket]) => bucket.own);
    for (const [, bucket] of changed) {
      bucket.shared += bucket.own;
      bucket.own = 0;
    }
    let rows: { bucket: string; window_start: Date; count: number }[];
    try {
      rows = await db.query(SHARE, [changed.map(([name]) => name), new Date(window), counts]);
    } catch (error) {
      // They go with the next attempt. Where only the answer was lost, they count twice: a caller is slowed, not let by.
      for (const [index, [, bucket]] of changed.entries()) {
        bucket.shared -= counts[index] ?? 0;
        bucket.own += counts[index] ?? 0;
      }
      throw error;
    }
    const byName = new Map(changed);
    for (const row of rows) {
      const bucket = byName.get(row.bucket);
      if (bucket?.window === row.window_start.getTime()) bucket.shared = row.count;
    }
  };

  return {
    hit: (kind, caller, limit) => {
      const window = currentWindow();
      const buckets = kinds[kind];
      const name = `${kind}:${caller}`;
      let bucket = buckets.get(name);
      if (bucket?.window !== window) {
        const fits = bucket !== undefined || buckets.size < mostCallers;
        bucket = { window, shared: 0, own: 0 };
        if (fits) buckets.set(name, bucket);
      }
      bucket.own += 1;
      const count = bucket.shared + bucket.own;
      return {
        limit,
        remaining: Math.max(0, limit - count),
        reset: (window + WINDOW) / 1_000,
        exceeded: count > limit,
      };
    },
    sync: async () => {
      const window = currentWindow();
      for (const buckets of Object.values(kinds)) {
        for (const [name, bucket] of buckets) if (bucket.window !== window) buckets.delete(name);
      }
      if (db.kind === "postgres") await share();
    },
  };
}

/** Paths that orchestrators poll: counted like all others, and never refused. */
const NEVER_REFUSED = new Set(["/healthz", "/readyz", "/metrics"]);

/**
 * Counts every request by its address and, with a credential, by that; writes `X-RateLimit-Limit`, `-Remaining` and
 * `-Reset` of the tighter one on every answer; and refuses what is beyond with 429 `RATE_LIMITED` and `Retry-After`.
 */
export function limitRates(
  app: FastifyInstance,
  limiter: RateLimiter,
  { perCredential = PER_CREDENTIAL, perAddress = PER_ADDRESS, enforced = true }: RateLimits,
  now: () => Date,
): void {
  const stand = ({ ip, credential }: FastifyRequest): Standing => {
    const address = limiter.hit("address", networkOf(ip), perAddress);
    const hash = credential?.hash;
    // What is refused by its address takes nothing from its credential.
    if (hash == null || (enforced && address.exceeded)) return address;
    const own = limiter.hit("credential", hash, perCredential);
    return own.remaining <= address.remaining ? own : address;
  };

  app.addHook("onRequest", (request, reply, done) => {
    const { limit, remaining, reset, exceeded } = stand(request);
    reply.header("x-ratelimit-limit", limit);
    reply.header("x-ratelimit-remaining", remaining);
    reply.header("x-ratelimit-reset", reset);
    if (!exceeded || !enforced || NEVER_REFUSED.has(request.url)) return done();
    const seconds = Math.max(1, Math.ceil(reset - now().getTime() / 1_000));
    reply.header("retry-after", seconds);
    done(
      new ApiError(
        "RATE_LIMITED",
        `More than ${limit} requests in a minute. Wait ${seconds} s, as Retry-After says, and send fewer.`,
      ),
    );
  });
}

/** The address by which a caller is counted: whoever has one IPv6 address has all of its /64 network. */
export function networkOf(ip: string): string {
  if (!ip.includes(":")) return ip;
  const address = ipaddr.process(ip.replace(/%.*$/, ""));
  if (address.kind() === "ipv4") return address.toString();
  return address.toNormalizedString().split(":").slice(0, 4).join(":");
}
