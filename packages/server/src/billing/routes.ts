import { routes } from "@licentric/contract";
import { getEnvironment } from "../accounts/accounts.ts";
import { onChange, onRoute, type RouteRegistration } from "../http/on-route.ts";
import { ensureInvoice, getInvoice, listInvoices, toInvoice } from "./invoices.ts";
import { closePeriod, getCurrentPeriod, getPeriod, listPeriods } from "./periods.ts";
import { sendToStripe } from "./stripe.ts";

/** Billing periods and invoices. */
export const billingRoutes: RouteRegistration[] = [
  onRoute(routes.billing.getCurrentPeriod, ({ caller, now }, { db, newId }) =>
    getCurrentPeriod(db, caller.environmentId, { newId, now }),
  ),
  onRoute(routes.billing.getPeriod, ({ caller, params }, { db }) =>
    getPeriod(db, caller.environmentId, params.periodId),
  ),
  onRoute(routes.billing.listPeriods, ({ caller, query }, { db }) =>
    listPeriods(db, caller.environmentId, query),
  ),
  onChange(routes.billing.closePeriod, ({ caller, params, now }, tx) =>
    closePeriod(tx, caller.environmentId, params.periodId, now),
  ),
  onChange(
    routes.billing.createInvoice,
    async ({ caller, params, body, now }, tx, { newId }) => {
      const environment = await getEnvironment(tx, caller.environmentId);
      return toInvoice(await ensureInvoice(tx, environment, params.periodId, body, { newId, now }));
    },
    async (invoice, { caller }, { db, stripe }) => {
      const row = await getInvoice(db, caller.environmentId, invoice.id);
      if (stripe === null || stripe.mode !== caller.mode) return toInvoice(row);
      return toInvoice(await sendToStripe(db, stripe, await getEnvironment(db, caller.environmentId), row));
    },
  ),
  onRoute(routes.billing.getInvoice, async ({ caller, params }, { db }) =>
    toInvoice(await getInvoice(db, caller.environmentId, params.invoiceId)),
  ),
  onRoute(routes.billing.listInvoices, ({ caller, query }, { db }) =>
    listInvoices(db, caller.environmentId, query),
  ),
];
