import { createCipheriv, createDecipheriv, createHash, hkdfSync } from "node:crypto";
import type { RandomBytes } from "../accounts/secrets.ts";
import type { Queryable } from "../store/database.ts";
import { ApiError } from "./api-error.ts";

/** A request that must take effect once, however often it is sent. */
export interface OnceRequest {
  /** Whose key it is: two callers may use the same text. */
  readonly principalId: string;
  /** The caller's bearer secret: the stored result can be read with it alone. */
  readonly secret: string;
  readonly key: string;
  /** What makes two requests the same. */
  readonly request: readonly unknown[];
  readonly now: Date;
  readonly randomBytes: RandomBytes;
}

/**
 * Runs `work` in the transaction, or gives its first result again where the key was used before. Requests with one
 * key that are under way at once wait for each other, in all processes. One that fails leaves no trace, so that it
 * can be sent again.
 *
 * @throws {ApiError} `IDEMPOTENCY_CONFLICT` when the key was used for another request.
 */
export async function once<Result>(
  tx: Queryable,
  { principalId, secret, key, request, now, randomBytes }: OnceRequest,
  work: () => Promise<Result>,
): Promise<Result> {
  const fingerprint = createHash("sha256").update(JSON.stringify(request)).digest("hex");
  await tx.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [`${principalId}:${key}`]);
  const [first] = await tx.query<{ fingerprint: string; sealed_result: Uint8Array }>(
    "SELECT fingerprint, sealed_result FROM idempotency_keys WHERE principal_id = $1 AND key = $2",
    [principalId, key],
  );
  if (first !== undefined) {
    if (first.fingerprint !== fingerprint) {
      throw new ApiError(
        "IDEMPOTENCY_CONFLICT",
        "This Idempotency-Key was used for another request. Repeat a request unchanged, or give a new one a new key.",
      );
    }
    return JSON.parse(unseal(first.sealed_result, secret));
  }
  const result = await work();
  await tx.query(
    "INSERT INTO idempotency_keys (principal_id, key, fingerprint, sealed_result, created_at) VALUES ($1, $2, $3, $4, $5)",
    [principalId, key, fingerprint, seal(JSON.stringify(result), secret, randomBytes), now],
  );
  return result;
}

// A result may hold a secret that is shown only once and stored only as a hash. It can be given again to the same
// caller all the same: it is encrypted with a key that only the caller's own secret yields.
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
