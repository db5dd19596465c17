import {
  AGENT_TOKEN_PREFIX,
  type Authorization,
  type AuthorizeAgent,
  DEFAULT_TOKEN_LIFETIME,
} from "@licentric/contract";
import type { z } from "zod";
import { hashSecret, mintSecret, type RandomBytes, secretHint } from "../accounts/secrets.ts";
import { ApiError } from "../http/api-error.ts";
import type { Queryable } from "../store/database.ts";
import { getAgent } from "./agents.ts";

/** Issues a token to an active agent. The token is in this answer only; what is stored is its hash. */
export async function authorizeAgent(
  db: Queryable,
  environmentId: string,
  { agentId, scopes, expiresIn = DEFAULT_TOKEN_LIFETIME, name }: z.output<typeof AuthorizeAgent>,
  { newId, now, randomBytes }: { newId: () => string; now: Date; randomBytes: RandomBytes },
): Promise<z.output<typeof Authorization>> {
  const agent = await getAgent(db, environmentId, agentId);
  if (agent.status === "suspended") {
    throw new ApiError(
      "CONFLICT",
      `The agent "${agent.name}" is suspended. Make it active before you authorize it.`,
    );
  }
  const token = mintSecret(AGENT_TOKEN_PREFIX, randomBytes);
  const credentialId = newId();
  const expiresAt = new Date(now.getTime() + expiresIn * 1_000);
  const uniqueScopes = [...new Set(scopes)];
  await db.query(
    `INSERT INTO credentials (id, environment_id, agent_id, name, scopes, secret_hash, hint, expires_at, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      credentialId,
      environmentId,
      agent.id,
      name ?? null,
      uniqueScopes,
      hashSecret(token),
      secretHint(token),
      expiresAt,
      now,
    ],
  );
  return { token, credentialId, agentId: agent.id, scopes: uniqueScopes, expiresAt: expiresAt.toISOString() };
}
