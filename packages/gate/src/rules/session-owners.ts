import { createHash } from "node:crypto";
import type { Paywall } from "@licentric/mcp";
import type { HttpAnswer, Rules, Session } from "../exchange.ts";
import { UNKNOWN_SESSION_TEXT } from "../message/unknown-session.ts";

/** The agent that a session is bound to, and the hash of the token that it was last seen with. */
interface Owner {
  readonly agentId: string;
  readonly tokenHash: string;
}

/**
 * Binds each session to the agent of the first valid token that is sent in it, whatever tokens that agent has later: who
 * knows another's session id neither reads its streams, nor ends it, nor answers for it. A session that no token was sent
 * in belongs to nobody.
 *
 * @param endpoint - returns the URL of the endpoint as agents reach it; undefined where there is none
 */
export function createSessionOwners(
  paywall: Paywall,
  endpoint: () => string | undefined,
): Pick<Rules, "admit" | "isOwned"> {
  const owners = new WeakMap<Session, Owner>();
  const admit: Rules["admit"] = async ({ session, token }) => {
    const resource = endpoint();
    if (session === undefined || resource === undefined) return undefined;
    const known = owners.get(session);
    if (token === undefined && known === undefined) return undefined;
    const tokenHash = createHash("sha256")
      .update(token ?? "")
      .digest("hex");
    if (known?.tokenHash === tokenHash) return undefined;
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const caller = await paywall.requireBearerAuth({ resource })(new Request(resource, { headers }));
    const owner = owners.get(session);
    // Where it belongs to nobody yet, what the request asks for decides whether it needs a valid token.
    if (caller instanceof Response) return owner === undefined ? undefined : toAnswer(caller);
    if (owner !== undefined && owner.agentId !== caller.clientId) return UNKNOWN;
    owners.set(session, { agentId: caller.clientId, tokenHash });
    return undefined;
  };
  return { admit, isOwned: (session) => owners.has(session) };
}

/** Of another's session, nobody is told that it exists. */
const UNKNOWN: HttpAnswer = {
  status: 404,
  headers: { "content-type": "application/json" },
  body: UNKNOWN_SESSION_TEXT,
};

async function toAnswer(response: Response): Promise<HttpAnswer> {
  const { status, headers } = response;
  return { status, headers: Object.fromEntries(headers), body: await response.text() };
}
