import type { ManagementKey } from "@licentric/contract";
import { recordSystemChange } from "../audit/audit-events.ts";
import type { Database } from "../store/database.ts";
import { type Account, createAccount, getEnvironmentId, type NewAccount } from "./accounts.ts";
import { createKey, type NewKey } from "./keys.ts";
import type { RandomBytes } from "./secrets.ts";

/** Context for creating something in the database itself. */
export interface Provisioning {
  /** A new id: a UUID of version 7. */
  readonly newId: () => string;
  readonly now: Date;
  /** Author of the change, as the audit log says: `cli` is the command line; `program` by default. */
  readonly actor?: "cli" | "program";
}

/**
 * Creates an account in the database itself, with its two environments, test and live, each with the meter
 * `api_calls`.
 *
 * @throws {RangeError} when the currency or the time zone does not exist.
 */
export function provisionAccount(
  db: Pick<Database, "transaction">,
  account: NewAccount,
  { actor = "program", ...making }: Provisioning,
): Promise<Account> {
  return db.transaction(async (tx) => {
    const made = await createAccount(tx, account, making);
    for (const mode of ["test", "live"] as const) {
      const environmentId = await getEnvironmentId(tx, made.id, mode);
      const change = { environmentId, actor, operation: "accounts.create", resourceIds: [made.id] };
      await recordSystemChange(tx, change, making);
    }
    return made;
  });
}

/**
 * Creates a management key in the database itself: the first one, with which the API makes the others. The secret is
 * in this answer only; what is stored is its hash.
 */
export function provisionKey(
  db: Pick<Database, "transaction">,
  key: NewKey,
  { actor = "program", ...making }: Provisioning & { readonly randomBytes: RandomBytes },
): Promise<ManagementKey & { key: string }> {
  return db.transaction(async (tx) => {
    const made = await createKey(tx, key, making);
    const { environmentId } = key;
    const change = { environmentId, actor, operation: "keys.create", resourceIds: [made.id] };
    await recordSystemChange(tx, change, making);
    return made;
  });
}
