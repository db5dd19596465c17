import { createCipheriv, createDecipheriv, createHash, hkdfSync } from "node:crypto";
import type { RandomBytes } from "../accounts/secrets.ts";
import type { Queryable } from "../store/database.ts";
import { ApiError } from "./api-error.ts";

/** A request that must take effect once, however often it is sent. */
export interface OnceRequest {
  /** The management key or the credential that the request comes with: two callers may use the same text. */
  readonly principalId: string;
  /** The agent whose credential it is, whose other credentials have the same keys; null for a management key. */
  readonly agentId: string | null;
  /** True where the credential is no longer valid: then it is told nothing that another one was answered. */
  readonly ended: boolean;
  /** The caller's bearer secret: the result of a management key's request can be read with it alone. */
  readonly secret: string;
  readonly key: string;
  /** Values that are equal in two requests that are the same. */
  readonly request: readonly unknown[];
  readonly now: Date;
  readonly randomBytes: RandomBytes;
}

/**
 * Runs `work` in the transaction, or gives its first result again where the key was used before. Requests
 * with one key that are in flight at once wait for each other, in all processes. One that fails leaves no
 * trace, so that it can be sent again.
 *
 * @throws {ApiError} `IDEMPOTENCY_CONFLICT` when the key was used for another request.
 */
export async function once<Result>(
  tx: Queryable,
  { principalId, agentId, ended, secret, key, request, now, randomBytes }: OnceRequest,
  work: () => Promise<Result>,
): Promise<Result> {
  const fingerprint = createHash("sha256").update(JSON.stringify(request)).digest("hex");
  // Servers of the version before lock the name of the credential alone.
  const owners = agentId === null ? [principalId] : [agentId, principalId];
  await tx.query(
    "SELECT pg_advisory_xact_lock(hashtextextended(owner || ':' || $2, 0)) FROM unnest($1::text[]) AS owner",
    [owners, key],
  );
  const first = await findFirst(tx, { principalId, agentId: ended ? null : agentId, key });
  if (first !== undefined) {
    if (first.fingerprint !== fingerprint) throw keyUsedOtherwise();
    if (first.result !== null) return JSON.parse(first.result);
    if (!first.own) throw keyUsedByAnotherCredential();
    return JSON.parse(unseal(first.sealed_result, secret));
  }
  const result = await work();
  const text = JSON.stringify(result);
  await tx.query(
    `INSERT INTO idempotency_keys (principal_id, key, fingerprint, sealed_result, created_at, agent_id, result)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [
      principalId,
      key,
      fingerprint,
      seal(text, secret, randomBytes),
      now,
      agentId,
      agentId === null ? null : text,
    ],
  );
  return result;
}

interface FirstRequest {
  readonly fingerprint: string;
  readonly sealed_result: Uint8Array;
  readonly result: string | null;
  /** True where the first request came with the same credential. */
  readonly own: boolean;
}

/** Credentials of an agent, the newest ones, whose keys a server of the version before may have been sent just now. */
const CREDENTIALS_OF_BEFORE = 20;

/** The request that used the key first: with this credential, or with another one of the agent's. */
async function findFirst(
  tx: Queryable,
  { principalId, agentId, key }: Pick<OnceRequest, "principalId" | "agentId" | "key">,
): Promise<FirstRequest | undefined> {
  const columns = "k.fingerprint, k.sealed_result, k.result";
  const [first] = await tx.query<FirstRequest>(
    `SELECT ${columns}, true AS own FROM idempotency_keys k WHERE k.principal_id = $1 AND k.key = $2
     UNION ALL
     SELECT ${columns}, false FROM idempotency_keys k WHERE k.agent_id = $3 AND k.key = $2
     UNION ALL
     SELECT ${columns}, false FROM (
       SELECT id FROM credentials WHERE agent_id = $3 ORDER BY id DESC LIMIT ${CREDENTIALS_OF_BEFORE}
     ) c JOIN idempotency_keys k ON k.principal_id = c.id AND k.key = $2 AND k.agent_id IS NULL
     ORDER BY own DESC LIMIT 1`,
    [principalId, key, agentId],
  );
  return first;
}

function keyUsedOtherwise(): ApiError {
  return new ApiError(
    "IDEMPOTENCY_CONFLICT",
    "This Idempotency-Key was used for another request. Repeat a request unchanged, or give a new one a new key.",
  );
}

/** Only of what a server of the version before did: its result can be read with that credential's token alone. */
function keyUsedByAnotherCredential(): ApiError {
  return new ApiError(
    "IDEMPOTENCY_CONFLICT",
    "This Idempotency-Key was used with another credential of this agent while the server was being upgraded, and only " +
      "that one is given the result. Repeat the request with it, or give a new request a new key.",
  );
}

// A result may hold a secret that is shown only once and stored only as a hash. It can be given again to the same
// caller all the same: it is encrypted with a key that only the caller's own secret yields. What an agent is answered
// holds none.
const CIPHER = "aes-256-gcm";
const IV_LENGTH = 12;
const TAG_LENGTH = 16;

function seal(text: string, secret: string, randomBytes: RandomBytes): Uint8Array {
  const iv = randomBytes(IV_LENGTH);
  const cipher = createCipheriv(CIPHER, sealingKey(secret, iv), iv);
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

function unseal(sealed: Uint8Array, secret: string): string {
  const iv = sealed.subarray(0, IV_LENGTH);
  const decipher = createDecipheriv(CIPHER, sealingKey(secret, iv), iv);
  decipher.setAuthTag(sealed.subarray(IV_LENGTH, IV_LENGTH + TAG_LENGTH));
  return decipher.update(sealed.subarray(IV_LENGTH + TAG_LENGTH), undefined, "utf8") + decipher.final("utf8");
}

function sealingKey(secret: string, salt: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, salt, "licentric idempotency", 32));
}
