import { routes } from "@licentric/contract";
import { getEnvironment } from "../accounts/accounts.ts";
import { onChange, onRoute, type RouteRegistration } from "../http/on-route.ts";
import { createAdjustment, listAdjustments, refundEvent } from "./adjustments.ts";
import { previewAgentCosts } from "./agent-costs.ts";
import { checkPeriod } from "./check-period.ts";
import { previewCosts } from "./cost-preview.ts";
import { ensureInvoices, sendInvoices } from "./create-invoices.ts";
import { listCreditNotes, storeCreditNote } from "./credit-notes.ts";
import { createInvoiceLink } from "./invoice-page-route.ts";
import { announceInvoice, ensureInvoice, getInvoice, listInvoices, toInvoice } from "./invoices.ts";
import { issueInvoice } from "./issue-invoice.ts";
import { payInvoice } from "./pay-invoice.ts";
import { closePeriod, getCurrentPeriod, getPeriod, listPeriods } from "./periods.ts";
import { sendCreditNote } from "./send-credit-note.ts";
import { sendToStripe } from "./send-to-stripe.ts";
import { stripeFor } from "./stripe.ts";
import { listUninvoiced, restOf } from "./uninvoiced.ts";
import { paidAlready, voidInvoice } from "./void-invoice.ts";

/** Billing periods, adjustments, invoices and credit notes. */
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
  onRoute(routes.billing.preview, ({ caller, query, now }, { db, newId }) =>
    previewCosts(db, caller.environmentId, query, { newId, now }),
  ),
  onRoute(routes.billing.previewAgents, ({ caller, query, now }, { db, newId }) =>
    previewAgentCosts(db, caller, query, { newId, now }),
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
    async (invoice, { caller, now }, services) => {
      const { db } = services;
      const row = await getInvoice(db, caller.environmentId, invoice.id);
      const stripe = stripeFor(caller.mode, services);
      const environment = await getEnvironment(db, caller.environmentId);
      const made = toInvoice(stripe === null ? row : await sendToStripe(services, stripe, environment, row));
      const making = { now, stripeConnected: stripe !== null };
      const uninvoiced = await restOf(db, caller.environmentId, made, making);
      return uninvoiced === undefined ? made : { ...made, uninvoiced };
    },
  ),
  onChange(
    routes.billing.createInvoices,
    async ({ caller, params, body, now }, tx, services) => {
      const environment = await getEnvironment(tx, caller.environmentId);
      const stripeConnected = stripeFor(caller.mode, services) !== null;
      const making = { newId: services.newId, now, stripeConnected };
      return ensureInvoices(tx, environment, params.periodId, body, making);
    },
    async (made, { caller }, services) => {
      const environment = await getEnvironment(services.db, caller.environmentId);
      return sendInvoices(services, stripeFor(caller.mode, services), environment, made);
    },
  ),
  onRoute(routes.billing.listUninvoiced, ({ caller, query, now }, services) => {
    const stripeConnected = stripeFor(caller.mode, services) !== null;
    return listUninvoiced(services.db, caller.environmentId, query, { now, stripeConnected });
  }),
  onRoute(routes.billing.checkPeriod, async ({ caller, params, query }, services) => {
    const environment = await getEnvironment(services.db, caller.environmentId);
    const stripe = stripeFor(caller.mode, services);
    return checkPeriod(services, stripe, environment, params.periodId, query);
  }),
  onChange(routes.billing.createAdjustment, ({ caller, body, now }, tx, { newId }) =>
    createAdjustment(tx, caller.environmentId, body, { newId, now }),
  ),
  onRoute(routes.billing.listAdjustments, ({ caller, query }, { db }) =>
    listAdjustments(db, caller.environmentId, query),
  ),
  onChange(routes.usage.refundEvent, ({ caller, params, body, now }, tx, { newId }) =>
    refundEvent(tx, caller.environmentId, params.eventId, body, { newId, now }),
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
  onChange(routes.billing.issueInvoice, async ({ caller, params, body, now }, tx, { newId }) => {
    const environment = await getEnvironment(tx, caller.environmentId);
    return toInvoice(await issueInvoice(tx, environment, params.invoiceId, body, { newId, now }));
  }),
  onChange(routes.billing.payInvoice, async ({ caller, params, body, now }, tx, { newId }) =>
    toInvoice(await payInvoice(tx, caller.environmentId, params.invoiceId, body, { newId, now })),
  ),
  onChange(routes.billing.createInvoiceLink, ({ caller, params, body, now }, tx, { links }) =>
    createInvoiceLink(tx, caller.environmentId, params.invoiceId, body, { links, now }),
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
