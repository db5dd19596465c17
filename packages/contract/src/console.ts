import * as z from "zod";
import { KEY_SCOPES, type KeyScope } from "./keys.ts";
import { CONSOLE_CODE_LIFETIME, DEFAULT_CONSOLE_KEY_LIFETIME, MAX_CONSOLE_KEY_LIFETIME } from "./limits.ts";
import { DisplayName, Timestamp } from "./primitives.ts";

/**
 * The roles with which the console is opened, and the scopes of the key that it gets; null: full access. Who has
 * `finance` reads what is billed and acts on invoices and customers; who has `read` changes nothing.
 */
export const CONSOLE_ROLES = {
  full: null,
  finance: [
    "account:read",
    "agents:read",
    "billing:read",
    "billing:write",
    "customers:read",
    "customers:write",
    "meters:read",
    "usage:read",
  ],
  read: KEY_SCOPES.filter((scope) => scope.endsWith(":read")),
} as const satisfies Record<string, readonly KeyScope[] | null>;

/** A role with which the console is opened: see {@link CONSOLE_ROLES}. */
export const ConsoleRole = z.enum(["full", "finance", "read"]);

/** A role with which the console is opened: see {@link CONSOLE_ROLES}. */
export type ConsoleRole = z.infer<typeof ConsoleRole>;

/** The body of `console.createCode`. The key has no scope that the one which asks for the code lacks. */
export const CreateConsoleCode = z.strictObject({
  role: ConsoleRole.optional().meta({ description: "`full` by default." }),
  expiresIn: z
    .int()
    .min(60)
    .max(MAX_CONSOLE_KEY_LIFETIME)
    .optional()
    .meta({
      description: `Seconds for which the console's key lives, ${DEFAULT_CONSOLE_KEY_LIFETIME} by default.`,
    }),
  name: DisplayName.optional().meta({ description: "Name of the console's key; `Console` by default." }),
});

/** The response of `console.createCode`. `code` is shown this one time and stored only as a hash. */
export const ConsoleCode = z.object({
  code: z.string().meta({ description: "Opens `/console#code=…` of the same server, once." }),
  role: ConsoleRole,
  expiresAt: Timestamp.meta({ description: `When the code ends: after ${CONSOLE_CODE_LIFETIME} seconds.` }),
});
