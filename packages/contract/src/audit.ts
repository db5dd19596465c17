import * as z from "zod";
import { PageQuery } from "./envelope.ts";
import { Id, storable, Timestamp } from "./primitives.ts";

const operation = storable(z.string().min(1).max(100));

const actor = storable(z.string().min(1).max(100));

/**
 * One change to an account's resources. It holds ids alone: no names, no bodies, no secrets. Usage is not in it: events
 * are their own record.
 */
export const AuditEvent = z.object({
  id: Id,
  actor: actor.meta({
    description:
      "Who made the change: `key` (a management key), `cli` (the command line, in the database itself), `program` (a program on the server's machine, likewise), `stripe` (what Stripe says of an invoice, a credit note or a payer), or `system` (the server itself: periods closed and events archived by schedule, webhooks disabled because they fail). There may be more one day.",
  }),
  keyId: Id.nullable().meta({
    description: "The management key that made the change; null for all but `key`.",
  }),
  operation: operation.meta({
    description:
      "The call's operationId, for example `agents.update`. Of `stripe`, what became of which, for example `invoice.paid`. `usage.archiveEvents` names the periods whose events were exported and removed.",
  }),
  resourceIds: z.array(Id).meta({
    description: "The resources that the change is about: those of the path, then the one that was answered.",
  }),
  requestId: z.string().nullable().meta({
    description: "The request, as the server's log and `X-Request-Id` name it; null where there was none.",
  }),
  createdAt: Timestamp,
});

/** One change to an account's resources. */
export type AuditEvent = z.infer<typeof AuditEvent>;

/** Query parameters of the list of audit events. */
export const ListAuditEventsQuery = PageQuery.extend({
  actor: actor.optional(),
  keyId: Id.optional(),
  operation: operation.optional(),
  resourceId: Id.optional(),
});
