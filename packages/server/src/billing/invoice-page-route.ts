import { z } from "zod";
import { getEnvironment } from "../accounts/accounts.ts";
import { requireKeyScope } from "../accounts/caller.ts";
import { getCustomer } from "../customers/customers.ts";
import { bearer } from "../http/bearer.ts";
import type { RouteRegistration } from "../http/on-route.ts";
import { parse } from "../http/parse.ts";
import { listCreditNotes } from "./credit-notes.ts";
import { INVOICE_PAGE_POLICY, renderInvoicePage } from "./invoice-page.ts";
import { getInvoice, toInvoice } from "./invoices.ts";
import { daysOfPeriod, getPeriod } from "./periods.ts";

/** The invoice as a page. It is not in the route table, whose answers are all JSON. */
export const INVOICE_PAGE_PATH = "/api/v1/billing/invoices/:invoiceId/html";

const Params = z.object({ invoiceId: z.string() });

/** `GET` of an invoice as a printable page of our own, with a management key that has `billing:read`. */
export const invoicePageRoutes: RouteRegistration[] = [
  (app, services) =>
    app.get(INVOICE_PAGE_PATH, async (request, reply) => {
      const caller = await services.keys.authenticate(bearer(request));
      requireKeyScope(caller, "billing:read");
      services.lastUsed.note(caller, services.now());
      const { invoiceId } = parse(Params, request.params);
      const { db } = services;
      const row = await getInvoice(db, caller.environmentId, invoiceId);
      const { account } = await getEnvironment(db, caller.environmentId);
      const { timeZone = account.timeZone } = await getPeriod(db, caller.environmentId, row.period_id);
      const html = renderInvoicePage({
        invoice: toInvoice(row),
        days: await daysOfPeriod(db, caller.environmentId, row.period_id),
        creditNotes: (await listCreditNotes(db, caller.environmentId, row.id, { limit: 100 })).data,
        from: account.name,
        to:
          row.customer_id === null
            ? { name: account.name, email: null }
            : await getCustomer(db, caller.environmentId, row.customer_id),
        timeZone,
      });
      return reply
        .headers({
          "content-security-policy": INVOICE_PAGE_POLICY,
          "x-content-type-options": "nosniff",
          "referrer-policy": "no-referrer",
          "cache-control": "private, no-store",
        })
        .type("text/html; charset=utf-8")
        .send(html);
    }),
];
