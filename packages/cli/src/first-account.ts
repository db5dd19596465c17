import { randomBytes } from "node:crypto";
import type { KeyScope, Mode } from "@licentric/sdk";
import {
  type Account,
  createAccount,
  createKey,
  type Database,
  getEnvironmentId,
  listAccounts,
} from "@licentric/server";
import { v7 as uuidv7 } from "uuid";

/** What making a row needs from outside: ids, the moment, randomness. */
const making = () => ({ newId: () => uuidv7(), now: new Date(), randomBytes });

/** The one account of a database that was made here, or a new one where there is none. */
export async function ensureAccount(
  db: Database,
  account: { name: string; currency: string; timeZone: string },
): Promise<{ account: Account; created: boolean }> {
  const [first] = await listAccounts(db);
  if (first !== undefined) return { account: first, created: false };
  return { account: await db.transaction((tx) => createAccount(tx, account, making())), created: true };
}

/** Creates a management key in the database itself, with no key needed to do so. */
export async function createKeyInDatabase(
  db: Database,
  accountId: string,
  key: { mode: Mode; name?: string; scopes?: KeyScope[] },
): Promise<string> {
  const environmentId = await getEnvironmentId(db, accountId, key.mode);
  return (await createKey(db, { environmentId, ...key }, making())).key;
}
