import { routes } from "@licentric/contract";
import { sendPayerChange } from "../billing/send-payer-change.ts";
import { onChange, onRoute, type RouteRegistration } from "../http/on-route.ts";
import { pageRequest } from "../http/page.ts";
import { createCustomer, getCustomer, listCustomers, updateCustomer } from "./customers.ts";

/** Paying customers. */
export const customerRoutes: RouteRegistration[] = [
  onChange(routes.customers.create, ({ caller, body, now }, tx, { newId }) =>
    createCustomer(tx, caller.environmentId, body, { newId, now }),
  ),
  onRoute(routes.customers.list, ({ caller, query }, { db }) =>
    listCustomers(db, caller.environmentId, pageRequest(query)),
  ),
  onRoute(routes.customers.get, ({ caller, params }, { db }) =>
    getCustomer(db, caller.environmentId, params.customerId),
  ),
  onChange(
    routes.customers.update,
    ({ caller, params, body, now }, tx) =>
      updateCustomer(tx, caller.environmentId, params.customerId, body, now),
    async ({ id }, { caller }, services) => {
      await sendPayerChange(services, caller, id);
      return getCustomer(services.db, caller.environmentId, id);
    },
  ),
];
