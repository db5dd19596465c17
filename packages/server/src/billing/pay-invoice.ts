import type { PayInvoice } from "@licentric/contract";
import type { z } from "zod";
import { ApiError } from "../http/api-error.ts";
import type { Queryable } from "../store/database.ts";
import { enqueueWebhook } from "../webhooks/outbox.ts";
import { moveInvoice } from "./invoice-status.ts";
import { getInvoice, type InvoiceRow, lockInvoice, toInvoice } from "./invoices.ts";

/**
 * Records a payment of an invoice that was issued here. The same payment told again changes nothing.
 *
 * @throws {ApiError} `CONFLICT` where it is not issued here, void, or paid by another payment. `VALIDATION_ERROR` where the
 * payment lies in the future.
 */
export async function payInvoice(
  tx: Queryable,
  environmentId: string,
  invoiceId: string,
  { reference, paidAt }: z.output<typeof PayInvoice>,
  { newId, now }: { newId: () => string; now: Date },
): Promise<InvoiceRow> {
  const invoice = await lockInvoice(tx, environmentId, invoiceId);
  requirePayable(invoice, reference);
  if (invoice.status === "paid") return invoice;
  const at = paidAt === undefined ? now : new Date(paidAt);
  if (at > now) {
    const message = "lies in the future: record a payment when it has arrived";
    throw new ApiError("VALIDATION_ERROR", `paidAt: ${message}`, {
      issues: [{ path: "paidAt", message, code: "custom" }],
    });
  }
  await tx.query("UPDATE invoices SET payment_reference = $2, paid_at = $3 WHERE id = $1", [
    invoice.id,
    reference,
    at,
  ]);
  return markPaid(tx, invoice, { newId, now });
}

/** Makes an open invoice paid, and tells webhooks. */
export async function markPaid(
  tx: Queryable,
  invoice: InvoiceRow,
  { newId, now }: { newId: () => string; now: Date },
): Promise<InvoiceRow> {
  const { id, environment_id: environmentId } = invoice;
  await moveInvoice(tx, id, "paid", now);
  const paid = await getInvoice(tx, environmentId, id);
  await enqueueWebhook(tx, environmentId, "invoice.paid", toInvoice(paid), { newId, now });
  return paid;
}

/** @throws {ApiError} `CONFLICT` where it is not issued here, void, or paid by another payment. */
function requirePayable(invoice: InvoiceRow, reference: string): void {
  if (invoice.number === null) {
    throw new ApiError(
      "CONFLICT",
      invoice.stripe_invoice_id === null
        ? "The invoice is not issued. Issue it first (POST /api/v1/billing/invoices/:invoiceId/issue)."
        : "The invoice is in Stripe. Record there that it was paid in another way; it is paid here when Stripe says so.",
    );
  }
  if (invoice.status === "void") throw new ApiError("CONFLICT", "The invoice is void, so nobody owes it.");
  if (invoice.status !== "paid" || invoice.payment_reference === reference) return;
  const by = invoice.payment_reference === null ? "" : ` by "${invoice.payment_reference}"`;
  throw new ApiError("CONFLICT", `The invoice is paid already${by}.`);
}
