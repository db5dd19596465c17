import { createHash } from "node:crypto";
import type { GateConfig } from "../config/gate-config.ts";
import type { ClientRequest } from "../exchange.ts";

/**
 * Returns the scope in which the ids of an upstream's tasks are unique: a process that is one session's, or one caller's
 * where there are no sessions, may well count them. Undefined where one server has all of them.
 */
export function taskScopeOf(
  upstream: GateConfig["upstream"],
  { session, token = "" }: ClientRequest,
): string | undefined {
  if (upstream === undefined || "url" in upstream || upstream.stateless) return undefined;
  return session.id ?? createHash("sha256").update(token).digest("base64");
}
