import { isAgentToken, isManagementKey } from "@licentric/contract";
import type { FastifyRequest } from "fastify";
import type { ApiError } from "./api-error.ts";
import type { Metrics } from "./metrics.ts";

const SAME_LOGGED_EVERY = 60_000;
const MOST_REMEMBERED = 10_000;

/**
 * Makes what counts failed sign-ins and logs them: of each address and reason once a minute, with the number of those
 * that were not logged since, so that who guesses fills no disk. Nothing of a credential is in it.
 *
 * @param clock Milliseconds of a clock that never goes back.
 */
export function createFailedSignIns(
  metrics: Pick<Metrics, "signInFailed">,
  clock: () => number = () => performance.now(),
): (request: FastifyRequest, error: ApiError) => void {
  const logged = new Map<string, { readonly until: number; more: number }>();
  return (request, { signInFault: reason = "unknown" }) => {
    const credential = kindOf(request);
    metrics.signInFailed(credential, reason);
    const { ip: address } = request;
    const name = `${address} ${credential} ${reason}`;
    const last = logged.get(name);
    if (last !== undefined && clock() < last.until) {
      last.more += 1;
      return;
    }
    if (logged.size >= MOST_REMEMBERED) logged.clear();
    logged.set(name, { until: clock() + SAME_LOGGED_EVERY, more: 0 });
    const route = request.routeOptions.url ?? "none";
    request.log.warn({ address, credential, reason, route, more: last?.more ?? 0 }, "failed sign-in");
  };
}

/** The kind of credential that a request claims to have, by its form alone. */
function kindOf({ credential }: FastifyRequest): "key" | "agent" | "other" | "none" {
  if (credential === null) return "none";
  if (isManagementKey(credential.secret)) return "key";
  return isAgentToken(credential.secret) ? "agent" : "other";
}
