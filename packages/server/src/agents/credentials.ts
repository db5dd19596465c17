import {
  AGENT_TOKEN_PREFIX,
  type Authorization,
  type AuthorizeAgent,
  type Credential,
  DEFAULT_TOKEN_LIFETIME,
  type RotateCredential,
} from "@licentric/contract";
import type { z } from "zod";
import { hashSecret, mintSecret, type RandomBytes, secretHint } from "../accounts/secrets.ts";
import { ApiError, notFound } from "../http/api-error.ts";
import { type Page, type PageRequest, readPage } from "../http/page.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { getAgent } from "./agents.ts";

interface CredentialRow {
  id: string;
  agent_id: string;
  name: string | null;
  scopes: string[];
  hint: string;
  expires_at: Date;
  last_used_at: Date | null;
  revoked_at: Date | null;
  created_at: Date;
}

const COLUMNS = "id, agent_id, name, scopes, hint, expires_at, last_used_at, revoked_at, created_at";

function toCredential(row: CredentialRow, now: Date): Credential {
  return {
    id: row.id,
    agentId: row.agent_id,
    name: row.name,
    scopes: row.scopes,
    hint: row.hint,
    status: row.revoked_at !== null ? "revoked" : row.expires_at <= now ? "expired" : "active",
    expiresAt: row.expires_at.toISOString(),
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
    revokedAt: row.revoked_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  };
}

interface Minting {
  readonly newId: () => string;
  readonly now: Date;
  readonly randomBytes: RandomBytes;
}

/**
 * Issues a token to an active agent. The token is in this answer only; what is stored is its hash.
 *
 * @throws {ApiError} `NOT_FOUND` for an unknown agent, `CONFLICT` for a suspended one.
 */
export async function authorizeAgent(
  tx: Queryable,
  environmentId: string,
  { agentId, scopes, expiresIn = DEFAULT_TOKEN_LIFETIME, name }: z.output<typeof AuthorizeAgent>,
  { newId, now, randomBytes }: Minting,
): Promise<z.output<typeof Authorization>> {
  const agent = await getAgent(tx, environmentId, agentId);
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
  await tx.query(
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

/** Lists an agent's credentials, newest first, without their secrets. */
export async function listCredentials(
  db: Queryable,
  environmentId: string,
  agentId: string,
  page: PageRequest,
  now: Date,
): Promise<Page<Credential>> {
  const agent = await getAgent(db, environmentId, agentId);
  return readPage(
    page,
    (limit) =>
      db.query<CredentialRow>(
        `SELECT ${COLUMNS} FROM credentials
         WHERE environment_id = $1 AND agent_id = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`,
        [environmentId, agent.id, page.cursor, limit],
      ),
    (row) => toCredential(row, now),
  );
}

/** Refuses a token from now on. Revoking it again changes nothing. */
export async function revokeCredential(
  tx: Queryable,
  environmentId: string,
  id: string,
  now: Date,
): Promise<Credential> {
  const rows = await tx.query<CredentialRow>(
    `UPDATE credentials SET revoked_at = coalesce(revoked_at, $3)
     WHERE environment_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [environmentId, uuidParam(id), now],
  );
  if (rows.length === 0) throw notFound("credential", id);
  return toCredential(onlyRow(rows), now);
}

/**
 * Issues a new token with the name and scopes of another one, and lets that one end: at once, or after `overlap`
 * seconds, but never later than it would have. The old token's `expiresAt` tells of it, so that whoever verifies it
 * knows.
 *
 * @throws {ApiError} `CONFLICT` for a credential that was revoked: a rotation must not bring it back.
 */
export async function rotateCredential(
  tx: Queryable,
  environmentId: string,
  id: string,
  { expiresIn, overlap = 0 }: z.output<typeof RotateCredential>,
  minting: Minting,
): Promise<z.output<typeof Authorization>> {
  const rows = await tx.query<CredentialRow>(
    `SELECT ${COLUMNS} FROM credentials WHERE environment_id = $1 AND id = $2 FOR UPDATE`,
    [environmentId, uuidParam(id)],
  );
  if (rows.length === 0) throw notFound("credential", id);
  const old = onlyRow(rows);
  if (old.revoked_at !== null) {
    throw new ApiError(
      "CONFLICT",
      "The credential was revoked, so it cannot be rotated. Authorize the agent again.",
    );
  }
  const { now } = minting;
  if (overlap === 0) await revokeCredential(tx, environmentId, id, now);
  else {
    await tx.query(
      "UPDATE credentials SET expires_at = least(expires_at, $3) WHERE environment_id = $1 AND id = $2",
      [environmentId, old.id, new Date(now.getTime() + overlap * 1_000)],
    );
  }
  const { agent_id: agentId, scopes, name } = old;
  return authorizeAgent(tx, environmentId, { agentId, scopes, expiresIn, name: name ?? undefined }, minting);
}
