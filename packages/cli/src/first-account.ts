import { randomBytes } from "node:crypto";
import type { ManagementKey, Mode } from "@licentric/sdk";
import type { Account, Database } from "@licentric/server";
import { type Command, Option } from "commander";
import { usageError } from "./exit-codes.ts";

/** The currency and time zone of a new account, as a command is given them. */
export interface AccountOptions {
  readonly currency: string;
  readonly timeZone: string;
}

/** Gives a command the options of a new account. */
export function withAccountOptions(command: Command): Command {
  return command
    .addOption(new Option("--currency <code>", "currency of a new account").default("usd"))
    .addOption(
      new Option("--time-zone <name>", "time zone of a new account's billing months").default("UTC"),
    );
}

/**
 * Returns what making a row needs from outside: ids, the current time, randomness, and the actor that the
 * audit log names.
 */
export async function cliMaking() {
  const { v7: uuidv7 } = await import("uuid");
  return { newId: () => uuidv7(), now: new Date(), randomBytes, actor: "cli" as const };
}

/**
 * The one account of a database that was made here, or a new one where there is none.
 *
 * @throws CommandError where the currency or the time zone does not exist
 */
export async function ensureAccount(
  db: Database,
  account: AccountOptions & { readonly name: string },
): Promise<{ account: Account; created: boolean }> {
  const { createAccount, listAccounts } = await import("@licentric/server");
  const [first] = await listAccounts(db);
  if (first !== undefined) return { account: first, created: false };
  try {
    return { account: await createAccount(db, account, await cliMaking()), created: true };
  } catch (error) {
    if (error instanceof RangeError) throw usageError(error.message);
    throw error;
  }
}

/** Creates a management key in the database itself, with no key needed to do so. */
export async function createKeyInDatabase(
  db: Database,
  accountId: string,
  key: { mode: Mode; name?: string; scopes?: NonNullable<ManagementKey["scopes"]> },
): Promise<ManagementKey & { key: string }> {
  const { createKey, getEnvironmentId } = await import("@licentric/server");
  const environmentId = await getEnvironmentId(db, accountId, key.mode);
  return createKey(db, { environmentId, ...key }, await cliMaking());
}
