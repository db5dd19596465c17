import type { KeyScope, Mode } from "@licentric/contract";
import { unauthorized } from "../http/api-error.ts";
import type { Queryable } from "../store/database.ts";
import type { KeyCaller } from "./caller.ts";
import { createSecretLookUp } from "./look-up-secrets.ts";
import type { PresentedCredential } from "./secrets.ts";

interface KeyRow {
  secret_hash: string;
  key_id: string;
  account_id: string;
  environment_id: string;
  mode: Mode;
  scopes: KeyScope[] | null;
  revoked_at: Date | null;
  expires_at: Date | null;
}

const LOOK_UP = `/* look-up-keys */
SELECT k.secret_hash, k.id AS key_id, e.account_id, e.id AS environment_id, e.mode, k.scopes, k.revoked_at,
  k.expires_at
FROM management_keys k JOIN environments e ON e.id = k.environment_id
WHERE k.secret_hash = ANY ($1::text[])`;

/** Checks management keys. */
export interface KeyAuthenticator {
  /** @throws {ApiError} `UNAUTHORIZED`. */
  authenticate(credential: PresentedCredential): Promise<KeyCaller>;
  /** Asks the database for every key again. */
  forget(): void;
}

/**
 * Makes the check of management keys. A revoked key is refused at once in the process that revoked it, and within a
 * second in every other one. One that has an end is refused from that moment on.
 */
export function createKeyAuthenticator(db: Queryable, now: () => Date): KeyAuthenticator {
  const { find, forget } = createSecretLookUp<KeyRow>(db, {
    statement: LOOK_UP,
    isGood: (row) => row.revoked_at === null,
  });

  const authenticate = async ({ secret, hash }: PresentedCredential): Promise<KeyCaller> => {
    if (secret.startsWith("AGT-")) {
      throw unauthorized(
        "wrong-kind",
        "This call needs a management key (lk_test_… or lk_live_…), not an agent's token.",
      );
    }
    if (hash === null) {
      throw unauthorized(
        "malformed",
        "This is not a management key. It begins with lk_test_ or lk_live_; check that it was copied whole.",
      );
    }
    const row = await find(hash);
    if (row === null) throw unauthorized("unknown", "This management key does not exist here.");
    if (row.revoked_at !== null)
      throw unauthorized("revoked", "This management key was revoked. Create another one.");
    if (row.expires_at !== null && row.expires_at <= now()) {
      throw unauthorized(
        "expired",
        "This management key has ended. Use another one, or open the console again.",
      );
    }
    return {
      kind: "key",
      keyId: row.key_id,
      accountId: row.account_id,
      environmentId: row.environment_id,
      mode: row.mode,
      scopes: row.scopes,
    };
  };
  return { authenticate, forget };
}
