import { isRecord } from "@licentric/paywall/adapter";
import { notGuardable } from "./not-guardable.ts";
import { guardRegistries } from "./protect-registry.ts";
import { guardRequests } from "./protect-requests.ts";
import type { ServerPlan } from "./server-plan.ts";

const guardedServers = new WeakSet<object>();

/**
 * Guards a server: every tool, prompt and resource that the plan covers, however and whenever it is registered.
 *
 * @throws TypeError where the server is none of the official SDKs', has a form that cannot be guarded for sure, or
 *   is protected already
 */
export function guardServer(server: object, plan: ServerPlan): void {
  if (!isRecord(server)) throw notGuardable("it is no object");
  const isHighLevel = "_registeredTools" in server;
  const low = isHighLevel && "server" in server ? server.server : server;
  if (!isRecord(low) || !(low["_requestHandlers"] instanceof Map)) {
    throw notGuardable("its request handlers are not where the official SDKs keep them");
  }
  if (guardedServers.has(low))
    throw new TypeError("this server is protected already: call paywall.protect once, with everything in it");
  guardedServers.add(low);
  const builtIn = isHighLevel ? guardRegistries(server, plan) : undefined;
  guardRequests(low, low["_requestHandlers"], builtIn, plan);
}
