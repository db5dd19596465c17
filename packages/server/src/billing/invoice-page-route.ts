import type { CreateInvoiceLink, InvoiceLink } from "@licentric/contract";
import { DEFAULT_INVOICE_LINK_LIFETIME } from "@licentric/contract";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import { getAccount } from "../accounts/account.ts";
import { requireKeyScope } from "../accounts/caller.ts";
import { ApiError } from "../http/api-error.ts";
import { bearer } from "../http/bearer.ts";
import type { RouteRegistration } from "../http/on-route.ts";
import { parse } from "../http/parse.ts";
import { readPayer } from "../payers/payer.ts";
import { isUuid, type Queryable } from "../store/database.ts";
import { listCreditNotes } from "./credit-notes.ts";
import { type LinkSigner, toSeconds } from "./invoice-link.ts";
import { INVOICE_PAGE_POLICY, renderInvoicePage } from "./invoice-page.ts";
import { getInvoice, type InvoiceRow, toInvoice } from "./invoices.ts";
import { daysOfPeriod, getPeriod } from "./periods.ts";

/** The invoice as a page. It is not in the route table, whose answers are all JSON. */
export const INVOICE_PAGE_PATH = "/api/v1/billing/invoices/:invoiceId/html";

/** The same page for whoever has a link to it. */
export const LINKED_INVOICE_PATH = "/invoices/:invoiceId";

const Params = z.object({ invoiceId: z.string() });
const Link = z.object({ expires: z.string().regex(/^\d{1,11}$/), signature: z.string().max(100) });

/**
 * `GET` of an invoice as a printable page of our own: with a management key that has `billing:read`, or by a link that is
 * signed and has not ended.
 */
export const invoicePageRoutes: RouteRegistration[] = [
  (app, services) =>
    app.get(INVOICE_PAGE_PATH, async (request, reply) => {
      const caller = await services.keys.authenticate(bearer(request));
      requireKeyScope(caller, "billing:read");
      services.lastUsed.note(caller, services.now());
      const { invoiceId } = parse(Params, request.params);
      const row = await getInvoice(services.db, caller.environmentId, invoiceId);
      return sendPage(reply, await readPage(services.db, row));
    }),
  (app, services) =>
    app.get(LINKED_INVOICE_PATH, async (request, reply) => {
      const { db, links, now } = services;
      const { invoiceId } = parse(Params, request.params);
      const link = Link.safeParse(request.query).data;
      const expires = new Date(Number(link?.expires) * 1_000);
      const isGood =
        link !== undefined &&
        isUuid(invoiceId) &&
        links?.isSigned(invoiceId, expires, link.signature) === true;
      // One answer for all: nobody learns which invoices there are.
      if (!isGood || expires <= now()) throw linkEnded();
      const [row] = await db.query<{ environment_id: string }>(
        "SELECT environment_id FROM invoices WHERE id = $1",
        [invoiceId],
      );
      if (row === undefined) throw linkEnded();
      return sendPage(reply, await readPage(db, await getInvoice(db, row.environment_id, invoiceId)));
    }),
];

/**
 * Makes a link that opens an issued invoice's document without a key.
 *
 * @throws {ApiError} `CONFLICT` where it is not issued here. `UNPROCESSABLE` where the server has no secret key to sign with.
 */
export async function createInvoiceLink(
  db: Queryable,
  environmentId: string,
  invoiceId: string,
  { expiresIn = DEFAULT_INVOICE_LINK_LIFETIME }: z.output<typeof CreateInvoiceLink>,
  { links, now }: { links: LinkSigner | null; now: Date },
): Promise<InvoiceLink> {
  const { id, number, hosted_invoice_url: hosted } = await getInvoice(db, environmentId, invoiceId);
  if (number === null) {
    throw new ApiError(
      "CONFLICT",
      hosted === null
        ? "The invoice is not issued. Issue it first (POST /api/v1/billing/invoices/:invoiceId/issue)."
        : "The invoice is Stripe's: its hostedInvoiceUrl opens it without a key.",
    );
  }
  if (links === null) {
    throw new ApiError(
      "UNPROCESSABLE",
      "This server has no secret key to sign links with. Set LICENTRIC_SECRET_KEY and repeat.",
    );
  }
  const seconds = toSeconds(now) + expiresIn;
  const expires = new Date(seconds * 1_000);
  const query = new URLSearchParams({ expires: String(seconds), signature: links.sign(id, expires) });
  return { path: `/invoices/${id}?${query}`, expiresAt: expires.toISOString() };
}

function linkEnded(): ApiError {
  return new ApiError("NOT_FOUND", "This link opens no invoice, or not any more. Ask for a new one.");
}

async function readPage(db: Queryable, row: InvoiceRow): Promise<string> {
  const { environment_id: environmentId, customer_id: customerId } = row;
  const account = await getAccount(db, environmentId);
  const { timeZone = account.timeZone } = await getPeriod(db, environmentId, row.period_id);
  return renderInvoicePage({
    invoice: toInvoice(row),
    days: await daysOfPeriod(db, environmentId, row.period_id),
    creditNotes: (await listCreditNotes(db, environmentId, row.id, { limit: 100 })).data,
    seller: row.seller ?? (await readPayer(db, environmentId, null)),
    buyer: row.buyer ?? (await readPayer(db, environmentId, customerId)),
    paymentInstructions: row.number === null ? null : (account.paymentInstructions ?? null),
    timeZone,
  });
}

function sendPage(reply: FastifyReply, html: string): FastifyReply {
  return reply
    .headers({
      "content-security-policy": INVOICE_PAGE_POLICY,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "private, no-store",
    })
    .type("text/html; charset=utf-8")
    .send(html);
}
