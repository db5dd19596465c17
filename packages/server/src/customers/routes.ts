import { routes } from "@licentric/contract";
import { readStripeOwner } from "../billing/read-stripe-owner.ts";
import { sendPayerChange, sendPayerLink } from "../billing/send-payer-change.ts";
import { onChange, onPreparedChange, onRoute, type RouteRegistration } from "../http/on-route.ts";
import {
  listCustomerDiscounts,
  listCustomerMinimums,
  setCustomerDiscount,
  setCustomerMinimum,
} from "./customer-terms.ts";
import { createCustomer, getCustomer, listCustomers, updateCustomer } from "./customers.ts";

/** Paying customers, and the discounts and minimums that are agreed with them. */
export const customerRoutes: RouteRegistration[] = [
  onPreparedChange(
    routes.customers.create,
    ({ caller, body }, services) => readStripeOwner(services, caller, body.stripeCustomerId),
    ({ caller, body, now }, tx, { newId }, owner) => createCustomer(tx, caller, body, { newId, now, owner }),
    async (made, { caller, body }, services) => {
      if (body.stripeCustomerId === undefined) return made;
      await sendPayerLink(services, caller, made.id);
      return getCustomer(services.db, caller.environmentId, made.id);
    },
  ),
  onRoute(routes.customers.list, ({ caller, query }, { db }) =>
    listCustomers(db, caller.environmentId, query),
  ),
  onRoute(routes.customers.get, ({ caller, params }, { db }) =>
    getCustomer(db, caller.environmentId, params.customerId),
  ),
  onPreparedChange(
    routes.customers.update,
    ({ caller, body }, services) => readStripeOwner(services, caller, body.stripeCustomerId),
    ({ caller, params, body, now }, tx, _, owner) =>
      updateCustomer(tx, caller, params.customerId, body, { now, owner }),
    async ({ id }, { caller }, services) => {
      await sendPayerChange(services, caller, id);
      return getCustomer(services.db, caller.environmentId, id);
    },
  ),
  onChange(routes.customers.setDiscount, ({ caller, params, body, now }, tx, { newId }) =>
    setCustomerDiscount(tx, caller.environmentId, params.customerId, body, { newId, now }),
  ),
  onRoute(routes.customers.listDiscounts, ({ caller, params, query }, { db }) =>
    listCustomerDiscounts(db, caller.environmentId, params.customerId, query),
  ),
  onChange(routes.customers.setMinimum, ({ caller, params, body, now }, tx, { newId }) =>
    setCustomerMinimum(tx, caller.environmentId, params.customerId, body, { newId, now }),
  ),
  onRoute(routes.customers.listMinimums, ({ caller, params, query }, { db }) =>
    listCustomerMinimums(db, caller.environmentId, params.customerId, query),
  ),
];
