import { routes } from "@licentric/contract";
import { onRoute, type RouteRegistration } from "../http/on-route.ts";
import { listAuditEvents } from "./audit-events.ts";

/** The audit log. */
export const auditRoutes: RouteRegistration[] = [
  onRoute(routes.auditEvents.list, ({ caller, query }, { db }) =>
    listAuditEvents(db, caller.environmentId, query),
  ),
];
