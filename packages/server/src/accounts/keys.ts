import { type KeyScope, MANAGEMENT_KEY_PREFIXES, type ManagementKey, type Mode } from "@licentric/contract";
import { notFound } from "../http/api-error.ts";
import { type PageRequest, readPage } from "../http/page.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { hashSecret, mintSecret, type RandomBytes, secretHint } from "./secrets.ts";

interface KeyRow {
  id: string;
  name: string | null;
  mode: Mode;
  scopes: KeyScope[] | null;
  hint: string;
  last_used_at: Date | null;
  revoked_at: Date | null;
  expires_at: Date | null;
  created_at: Date;
}

const COLUMNS =
  "k.id, k.name, e.mode, k.scopes, k.hint, k.last_used_at, k.revoked_at, k.expires_at, k.created_at";
const TABLE = "management_keys k JOIN environments e ON e.id = k.environment_id";

function toManagementKey(row: KeyRow): ManagementKey {
  return {
    id: row.id,
    name: row.name,
    mode: row.mode,
    scopes: row.scopes,
    hint: row.hint,
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
    revokedAt: row.revoked_at?.toISOString() ?? null,
    expiresAt: row.expires_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  };
}

/** Properties of a new management key. */
export interface NewKey {
  readonly environmentId: string;
  readonly mode: Mode;
  readonly name?: string | undefined;
  /** Full access by default. */
  readonly scopes?: readonly KeyScope[] | undefined;
  /** End of the key; it has none by default. */
  readonly expiresAt?: Date | undefined;
}

/** Creates a management key. The secret is in this answer only; what is stored is its hash. */
export async function createKey(
  db: Queryable,
  { environmentId, mode, name, scopes, expiresAt }: NewKey,
  { newId, now, randomBytes }: { newId: () => string; now: Date; randomBytes: RandomBytes },
): Promise<ManagementKey & { key: string }> {
  const key = mintSecret(MANAGEMENT_KEY_PREFIXES[mode], randomBytes);
  const id = newId();
  await db.query(
    `INSERT INTO management_keys (id, environment_id, name, scopes, secret_hash, hint, expires_at, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      id,
      environmentId,
      name ?? null,
      scopes ?? null,
      hashSecret(key),
      secretHint(key),
      expiresAt ?? null,
      now,
    ],
  );
  return { ...(await getKey(db, environmentId, id)), key };
}

/** Lists an environment's keys, newest first. */
export function listKeys(db: Queryable, environmentId: string, page: PageRequest) {
  return readPage(
    page,
    (limit) =>
      db.query<KeyRow>(
        `SELECT ${COLUMNS} FROM ${TABLE}
       WHERE k.environment_id = $1 AND ($2::uuid IS NULL OR k.id < $2) ORDER BY k.id DESC LIMIT $3`,
        [environmentId, page.cursor, limit],
      ),
    toManagementKey,
  );
}

/** Refuses a key from now on. Revoking it again changes nothing. */
export async function revokeKey(
  db: Queryable,
  environmentId: string,
  id: string,
  now: Date,
): Promise<ManagementKey> {
  await db.query(
    "UPDATE management_keys SET revoked_at = coalesce(revoked_at, $3) WHERE environment_id = $1 AND id = $2",
    [environmentId, uuidParam(id), now],
  );
  return getKey(db, environmentId, id);
}

async function getKey(db: Queryable, environmentId: string, id: string): Promise<ManagementKey> {
  const rows = await db.query<KeyRow>(
    `SELECT ${COLUMNS} FROM ${TABLE} WHERE k.environment_id = $1 AND k.id = $2`,
    [environmentId, uuidParam(id)],
  );
  if (rows.length === 0) throw notFound("key", id);
  return toManagementKey(onlyRow(rows));
}
