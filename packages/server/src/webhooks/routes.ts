import { routes } from "@licentric/contract";
import { onChange, onRoute, type RouteRegistration } from "../http/on-route.ts";
import { pageRequest } from "../http/page.ts";
import { listDeliveries, resendDelivery } from "./deliveries.ts";
import { createWebhook, deleteWebhook, getWebhook, listWebhooks, updateWebhook } from "./webhooks.ts";

/** Webhooks: where events are sent. */
export const webhookRoutes: RouteRegistration[] = [
  onChange(routes.webhooks.create, ({ caller, body, now }, tx, { newId, webhooks }) =>
    createWebhook(tx, caller.environmentId, body, { newId, now, ...webhooks }),
  ),
  onRoute(routes.webhooks.list, ({ caller, query }, { db }) =>
    listWebhooks(db, caller.environmentId, pageRequest(query)),
  ),
  onRoute(routes.webhooks.get, ({ caller, params }, { db }) =>
    getWebhook(db, caller.environmentId, params.webhookId),
  ),
  onChange(routes.webhooks.update, ({ caller, params, body, now }, tx, { webhooks }) =>
    updateWebhook(tx, caller.environmentId, params.webhookId, body, { now, ...webhooks }),
  ),
  onChange(routes.webhooks.delete, ({ caller, params }, tx) =>
    deleteWebhook(tx, caller.environmentId, params.webhookId),
  ),
  onRoute(routes.webhooks.listDeliveries, ({ caller, params, query }, { db }) =>
    listDeliveries(db, caller.environmentId, params.webhookId, query),
  ),
  onChange(routes.webhooks.resendDelivery, ({ caller, params, now }, tx) =>
    resendDelivery(tx, caller.environmentId, params, now),
  ),
];
