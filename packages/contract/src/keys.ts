import * as z from "zod";
import { DisplayName, Id, Mode, Timestamp } from "./primitives.ts";

/** The scopes that a management key can have. A key without explicit scopes has full access. */
export const KEY_SCOPES = [
  "account:read",
  "account:write",
  "agents:read",
  "agents:write",
  "audit:read",
  "billing:read",
  "billing:write",
  "budgets:read",
  "budgets:write",
  "customers:read",
  "customers:write",
  "keys:read",
  "keys:write",
  "meters:read",
  "meters:write",
  "usage:read",
  "usage:write",
  "webhooks:read",
  "webhooks:write",
] as const;

/** One thing that a management key can be allowed. */
export const KeyScope = z.enum(KEY_SCOPES);

/** One thing that a management key can be allowed. */
export type KeyScope = z.infer<typeof KeyScope>;

/** A management key, without its secret. */
export const ManagementKey = z.object({
  id: Id,
  name: DisplayName.nullable(),
  mode: Mode,
  scopes: z.array(KeyScope).nullable().meta({ description: "null: full access." }),
  hint: z.string().meta({ description: "The key's last four characters." }),
  lastUsedAt: Timestamp.nullable(),
  revokedAt: Timestamp.nullable(),
  expiresAt: Timestamp.nullable().meta({
    description: "When the key ends by itself, as one of the console does; null: never.",
  }),
  createdAt: Timestamp,
});

/** A management key, without its secret. */
export type ManagementKey = z.infer<typeof ManagementKey>;

/**
 * The body of `keys.create`. The new key has the mode of the key that makes it, and no scope that that key
 * lacks.
 */
export const CreateManagementKey = z.strictObject({
  name: DisplayName.optional(),
  scopes: z.array(KeyScope).min(1).optional(),
});

/** The response of `keys.create`. `key` is shown this one time and stored only as a hash. */
export const CreatedManagementKey = ManagementKey.extend({ key: z.string().startsWith("lk_") });
