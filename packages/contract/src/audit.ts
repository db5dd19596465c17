import { z } from "zod";
import { PageQuery } from "./envelope.ts";
import { Id, storable, Timestamp } from "./primitives.ts";

const operation = storable(z.string().min(1).max(100));

/** One change that was made with a management key. It holds ids alone: no names, no bodies, no secrets. */
export const AuditEvent = z.object({
  id: Id,
  keyId: Id.meta({ description: "The management key that made the change." }),
  operation: operation.meta({ description: "The call's operationId, for example `agents.update`." }),
  resourceIds: z.array(Id).meta({
    description: "The resources that the change is about: those of the path, then the one that was answered.",
  }),
  requestId: z.string().meta({ description: "The request, as the server's log and `X-Request-Id` name it." }),
  createdAt: Timestamp,
});

/** One change that was made with a management key. */
export type AuditEvent = z.infer<typeof AuditEvent>;

/** How the list of audit events can be narrowed. */
export const ListAuditEventsQuery = PageQuery.extend({
  keyId: Id.optional(),
  operation: operation.optional(),
  resourceId: Id.optional(),
});
