import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import ipaddr from "ipaddr.js";
import type { Database } from "../store/database.ts";
import { ApiError } from "./api-error.ts";

/** How many requests are answered in a minute. */
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

/** Where one caller stands in the running minute. */
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
  hit(bucket: string, limit: number): Standing;
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
 */
export function createRateLimiter(db: Database, now: () => Date): RateLimiter {
  const buckets = new Map<string, Bucket>();
  const currentWindow = () => Math.floor(now().getTime() / WINDOW) * WINDOW;

  const share = async () => {
    const window = currentWindow();
    const changed = [...buckets].filter(([, bucket]) => bucket.window === window && bucket.own > 0);
    if (changed.length === 0) return;
    const counts = changed.map(([, bucket]) => bucket.own);
    for (const [, bucket] of changed) {
      bucket.shared += bucket.own;
      bucket.own = 0;
    }
    const rows = await db.query<{ bucket: string; window_start: Date; count: number }>(SHARE, [
      changed.map(([name]) => name),
      new Date(window),
      counts,
    ]);
    for (const row of rows) {
      const bucket = buckets.get(row.bucket);
      if (bucket?.window === row.window_start.getTime()) bucket.shared = row.count;
    }
  };

  return {
    hit: (name, limit) => {
      const window = currentWindow();
      let bucket = buckets.get(name);
      if (bucket === undefined || bucket.window !== window) {
        bucket = { window, shared: 0, own: 0 };
        buckets.set(name, bucket);
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
      for (const [name, bucket] of buckets) if (bucket.window !== window) buckets.delete(name);
      if (db.kind === "postgres") await share();
    },
  };
}

/** Where orchestrators ask: counted as everything else, and never refused. */
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
  const check = (request: FastifyRequest, reply: FastifyReply, standing: Standing) => {
    reply.header("x-ratelimit-limit", standing.limit);
    reply.header("x-ratelimit-remaining", standing.remaining);
    reply.header("x-ratelimit-reset", standing.reset);
    if (!standing.exceeded || !enforced || NEVER_REFUSED.has(request.url)) return;
    const seconds = Math.max(1, Math.ceil(standing.reset - now().getTime() / 1_000));
    reply.header("retry-after", seconds);
    throw new ApiError(
      "RATE_LIMITED",
      `More than ${standing.limit} requests in a minute. Wait ${seconds} s, as Retry-After says, and send fewer.`,
    );
  };

  app.addHook("onRequest", async (request, reply) => {
    const address = limiter.hit(`a:${network(request.ip)}`, perAddress);
    check(request, reply, address);
    const { authorization } = request.headers;
    if (authorization === undefined) return;
    const credential = limiter.hit(`c:${fingerprint(authorization)}`, perCredential);
    if (credential.remaining <= address.remaining) check(request, reply, credential);
  });
}

/** Never the credential itself: counters are kept in memory and in the database. */
function fingerprint(authorization: string): string {
  return createHash("sha256").update(authorization).digest("base64url").slice(0, 22);
}

/** Whoever has one IPv6 address has all of its /64 network. */
function network(ip: string): string {
  if (!ip.includes(":")) return ip;
  const address = ipaddr.process(ip.replace(/%.*$/, ""));
  if (address.kind() === "ipv4") return address.toString();
  return address.toNormalizedString().split(":").slice(0, 4).join(":");
}
