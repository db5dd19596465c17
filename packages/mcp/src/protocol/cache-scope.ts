import { isRecord, property } from "@licentric/paywall/adapter";

/**
 * Returns a result that no cache may share: it is for the caller that was authorized. Clients and proxies keep what goes out as
 * `public` and give it to others, who are asked for no credential then.
 *
 * Results have a cache scope since protocol 2026-07-28, whose requests come in an envelope; before it nothing is added.
 */
export function asPrivate(result: unknown, context: unknown): unknown {
  if (!isRecord(result)) return result;
  const isModern = property(property(context, "mcpReq"), "envelope") !== undefined;
  return isModern || "cacheScope" in result ? { ...result, cacheScope: "private" } : result;
}
