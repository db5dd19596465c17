import {
  CONSOLE_CODE_LIFETIME,
  CONSOLE_ROLES,
  type ConsoleCode,
  type ConsoleRole,
  type CreateConsoleCode,
  DEFAULT_CONSOLE_KEY_LIFETIME,
  type KeyScope,
  type ManagementKey,
  type Mode,
  routes,
} from "@licentric/contract";
import type { z } from "zod";
import { type KeyCaller, requireGivable } from "../accounts/caller.ts";
import { createKey } from "../accounts/keys.ts";
import { hashSecret, hasValidChecksum, mintSecret, type RandomBytes } from "../accounts/secrets.ts";
import { recordChange } from "../audit/audit-events.ts";
import { unauthorized } from "../http/api-error.ts";
import type { Queryable } from "../store/database.ts";

const PREFIX = "lcc_";

const NAMES: Readonly<Record<ConsoleRole, string>> = {
  full: "Console",
  finance: "Console (finance)",
  read: "Console (read only)",
};

/**
 * Makes a one-time code, with which the console gets a key of its own. What is stored is its hash.
 *
 * @throws {ApiError} `FORBIDDEN` when the caller's key lacks what the role has.
 */
export async function createConsoleCode(
  tx: Queryable,
  caller: KeyCaller,
  { role = "full", expiresIn = DEFAULT_CONSOLE_KEY_LIFETIME, name }: z.output<typeof CreateConsoleCode>,
  { now, randomBytes }: { now: Date; randomBytes: RandomBytes },
): Promise<z.output<typeof ConsoleCode>> {
  const scopes: readonly KeyScope[] | null = CONSOLE_ROLES[role];
  requireGivable(caller, scopes);
  const code = mintSecret(PREFIX, randomBytes);
  const expiresAt = new Date(now.getTime() + CONSOLE_CODE_LIFETIME * 1_000);
  await tx.query(
    `INSERT INTO console_codes (code_hash, environment_id, key_id, name, scopes, key_lifetime, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [hashSecret(code), caller.environmentId, caller.keyId, name ?? NAMES[role], scopes, expiresIn, expiresAt],
  );
  return { code, role, expiresAt: expiresAt.toISOString() };
}

interface CodeRow {
  environment_id: string;
  mode: Mode;
  key_id: string;
  name: string;
  scopes: KeyScope[] | null;
  key_lifetime: number;
  expires_at: Date;
  maker_ended: boolean;
}

/**
 * Exchanges a code for a key of the console's own, once. The audit log names the key that made the code as the one that
 * created it.
 *
 * @throws {ApiError} `UNAUTHORIZED` when the code is unknown, was used, or has ended, or the key that made it has.
 */
export async function exchangeConsoleCode(
  tx: Queryable,
  code: string,
  { now, requestId, ...making }: Exchanging,
): Promise<ManagementKey & { key: string }> {
  if (!code.startsWith(PREFIX) || !hasValidChecksum(code)) {
    throw unauthorized("malformed", `This is not a code of the console. ${AGAIN}`);
  }
  const [row] = await tx.query<CodeRow>(
    `DELETE FROM console_codes c USING management_keys k, environments e
     WHERE c.code_hash = $1 AND k.id = c.key_id AND e.id = c.environment_id
     RETURNING c.environment_id, e.mode, c.key_id, c.name, c.scopes, c.key_lifetime, c.expires_at,
       k.revoked_at IS NOT NULL OR coalesce(k.expires_at <= $2, false) AS maker_ended`,
    [hashSecret(code), now],
  );
  if (row === undefined)
    throw unauthorized("unknown", `This code does not exist here, or was used. ${AGAIN}`);
  if (row.expires_at <= now) throw unauthorized("expired", `This code has ended. ${AGAIN}`);
  if (row.maker_ended)
    throw unauthorized("revoked", "The key that made this code has ended. Use another key.");
  const { environment_id: environmentId, mode, name, scopes, key_id: keyId } = row;
  const expiresAt = new Date(now.getTime() + row.key_lifetime * 1_000);
  const made = await createKey(
    tx,
    { environmentId, mode, name, scopes: scopes ?? undefined, expiresAt },
    { ...making, now },
  );
  const change = { environmentId, keyId, route: routes.keys.create, params: {}, answer: made, requestId };
  await recordChange(tx, change, { ...making, now });
  return made;
}

/** Clock, randomness and request of an exchange. */
interface Exchanging {
  readonly now: Date;
  readonly newId: () => string;
  readonly randomBytes: RandomBytes;
  readonly requestId: string;
}

const AGAIN = "Run `licentric console` again: a code opens the console once, within a minute.";
