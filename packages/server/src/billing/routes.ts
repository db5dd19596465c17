import { routes } from "@licentric/contract";
import { getEnvironment } from "../accounts/accounts.ts";
import { onChange, onRoute, type RouteRegistration } from "../http/on-route.ts";
import { listCreditNotes, storeCreditNote } from "./credit-notes.ts";
import { announceInvoice, ensureInvoice, getInvoice, listInvoices, toInvoice } from "./invoices.ts";
import { closePeriod, getCurrentPeriod, getPeriod, listPeriods } from "./periods.ts";
import { sendCreditNote } from "./send-credit-note.ts";
import { sendToStripe } from "./send-to-stripe.ts";
import { stripeFor } from "./stripe.ts";
import { paidAlready, voidInvoice } from "./void-invoice.ts";

/** Billing periods, invoices and credit notes. */
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
  onChange(routes.billing.closePeriod, ({ caller, params, now }, tx, { newId }) =>
    closePeriod(tx, caller.environmentId, params.periodId, { newId, now }),
  ),
  onChange(
    routes.billing.createInvoice,
    async ({ caller, params, body, now }, tx, services) => {
      const { newId } = services;
      const environment = await getEnvironment(tx, caller.environmentId);
      const invoice = await ensureInvoice(tx, environment, params.periodId, body, { newId, now });
      if (stripeFor(caller.mode, services) === null) await announceInvoice(tx, invoice, { newId, now });
      return toInvoice(invoice);
    },
    async (invoice, { caller }, services) => {
      const row = await getInvoice(services.db, caller.environmentId, invoice.id);
      const stripe = stripeFor(caller.mode, services);
      if (stripe === null) return toInvoice(row);
      const environment = await getEnvironment(services.db, caller.environmentId);
      return toInvoice(await sendToStripe(services, stripe, environment, row));
    },
  ),
  onRoute(routes.billing.getInvoice, async ({ caller, params }, { db }) =>
    toInvoice(await getInvoice(db, caller.environmentId, params.invoiceId)),
  ),
  onRoute(routes.billing.listInvoices, ({ caller, query }, { db }) =>
    listInvoices(db, caller.environmentId, query),
  ),
  onChange(
    routes.billing.voidInvoice,
    async ({ caller, params }, tx) => {
      const invoice = await getInvoice(tx, caller.environmentId, params.invoiceId);
      if (invoice.status === "paid") throw paidAlready();
      return toInvoice(invoice);
    },
    async ({ id }, { caller }, services) => {
      const environment = await getEnvironment(services.db, caller.environmentId);
      const row = await getInvoice(services.db, environment.id, id);
      return toInvoice(await voidInvoice(services, environment, row));
    },
  ),
  onChange(
    routes.billing.createCreditNote,
    ({ caller, params, body, now }, tx, services) =>
      storeCreditNote(tx, caller.environmentId, params.invoiceId, body, {
        newId: services.newId,
        now,
        stripeConnected: stripeFor(caller.mode, services) !== null,
      }),
    (note, { caller }, services) => {
      const stripe = stripeFor(caller.mode, services);
      return stripe === null
        ? Promise.resolve(note)
        : sendCreditNote(services, stripe, caller.environmentId, note.id);
    },
  ),
  onRoute(routes.billing.listCreditNotes, ({ caller, params, query }, { db }) =>
    listCreditNotes(db, caller.environmentId, params.invoiceId, query),
  ),
];
