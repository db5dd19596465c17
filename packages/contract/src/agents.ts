import * as z from "zod";
import { PageQuery } from "./envelope.ts";
import { DEFAULT_TOKEN_LIFETIME, MAX_SCOPES, MAX_TOKEN_LIFETIME, MAX_TOKEN_OVERLAP } from "./limits.ts";
import { DisplayName, Id, Metadata, Scope, Timestamp } from "./primitives.ts";

/** `active` agents may be authorized and verified; a `suspended` agent's tokens are refused until it is active again. */
export const AgentStatus = z.enum(["active", "suspended"]);

/** One caller of your tools. */
export const Agent = z.object({
  id: Id,
  name: DisplayName,
  status: AgentStatus,
  customerId: Id.nullable().meta({ description: "The customer whom the agent's usage is invoiced to." }),
  metadata: Metadata,
  createdAt: Timestamp,
  updatedAt: Timestamp,
});

/** One caller of your tools. */
export type Agent = z.infer<typeof Agent>;

/** The body of `agents.create`. */
export const CreateAgent = z.strictObject({
  name: DisplayName,
  customerId: Id.nullable().optional(),
  metadata: Metadata.optional(),
});

/** The body of `agents.update`; a property left out stays as it is. */
export const UpdateAgent = z.strictObject({
  name: DisplayName.optional(),
  status: AgentStatus.optional(),
  customerId: Id.nullable().optional(),
  metadata: Metadata.optional(),
});

/** Query parameters of the list of agents. */
export const ListAgentsQuery = PageQuery.extend({
  status: AgentStatus.optional(),
  customerId: Id.optional(),
  name: DisplayName.optional().meta({ description: "Only those with exactly this name." }),
});

/** The body of `mcp.authorize`. */
export const AuthorizeAgent = z.strictObject({
  agentId: Id,
  scopes: z.array(Scope).min(1, 'name at least one scope, for example "mcp:invoke"').max(MAX_SCOPES),
  expiresIn: z
    .int()
    .min(1)
    .max(MAX_TOKEN_LIFETIME)
    .optional()
    .meta({
      description: `Seconds until the token expires, 1 to ${MAX_TOKEN_LIFETIME}; ${DEFAULT_TOKEN_LIFETIME} by default.`,
    }),
  name: DisplayName.optional(),
});

/**
 * The response of `mcp.authorize` on our server. `token` is shown this one time and stored only as a hash.
 */
export const Authorization = z.object({
  token: z.string().startsWith("AGT-"),
  credentialId: Id,
  agentId: Id,
  scopes: z.array(Scope),
  expiresAt: Timestamp,
});

/** The part of the same response that the hosted service promises: `token`. */
export const HostedAuthorization = Authorization.partial().required({ token: true });

/** An agent's credential, without its secret. */
export const Credential = z.object({
  id: Id,
  agentId: Id,
  name: DisplayName.nullable(),
  scopes: z.array(Scope),
  hint: z.string().meta({ description: "The token's last four characters." }),
  status: z.enum(["active", "expired", "revoked"]),
  expiresAt: Timestamp,
  lastUsedAt: Timestamp.nullable(),
  revokedAt: Timestamp.nullable(),
  createdAt: Timestamp,
});

/** An agent's credential, without its secret. */
export type Credential = z.infer<typeof Credential>;

/** The body of `credentials.rotate`: the old token still works for `overlap` seconds (0 by default). */
export const RotateCredential = z.strictObject({
  expiresIn: AuthorizeAgent.shape.expiresIn,
  overlap: z
    .int()
    .min(0)
    .max(MAX_TOKEN_OVERLAP)
    .optional()
    .meta({ description: "Seconds for which the old token still works, 0 to 604800; 0 by default." }),
});
