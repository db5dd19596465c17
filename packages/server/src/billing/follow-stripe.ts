import type Stripe from "stripe";
import { recordSystemChange } from "../audit/audit-events.ts";
import type { Queryable } from "../store/database.ts";
import { enqueueWebhook } from "../webhooks/outbox.ts";
import { type InvoiceStatus, moveInvoice } from "./invoice-status.ts";
import { announceInvoice, getInvoice, type InvoiceRow, toInvoice } from "./invoices.ts";
import { lineDifferences, stripeDecimal } from "./stripe-invoice.ts";

/** The standing of a finalized invoice in Stripe. */
export interface StandingInStripe {
  readonly status: InvoiceStatus;
  /** Address at which it is paid; null where Stripe names none. */
  readonly url: string | null;
  /** Subtotal of what Stripe has, a decimal string, where its lines are not this invoice's; undefined where they are. */
  readonly mismatch?: string | undefined;
}

const FINALIZED = ["open", "paid", "uncollectible", "void"] as const;

/** Checks whether an invoice is not known to be finalized, so that its draft can be changed in Stripe. */
export function isUnfinished({ status }: Pick<InvoiceRow, "status">): boolean {
  return status === "computed" || status === "draft";
}

/** Compares an invoice with what Stripe has of it; undefined while that is a draft. */
export async function standingInStripe(
  api: Stripe,
  invoice: InvoiceRow,
  found: Stripe.Invoice,
): Promise<StandingInStripe | undefined> {
  const status = FINALIZED.find((one) => one === found.status);
  if (status === undefined) return undefined;
  const isOther = isUnfinished(invoice) && (await lineDifferences(api, invoice, found)).length > 0;
  const mismatch = isOther ? stripeDecimal(found.subtotal, found.currency) : undefined;
  return { status, url: found.hosted_invoice_url ?? null, mismatch };
}

interface Following {
  readonly newId: () => string;
  readonly now: Date;
  readonly requestId?: string;
}

/**
 * Moves an invoice that is finalized to the status that Stripe says it has, and tells the audit log and webhooks. What
 * cannot follow from where it stands is old news, and changes nothing. Whoever hears of it first tells that it is made,
 * before all else: an answer of Stripe's may be lost, and its news come instead.
 *
 * What was changed in Stripe before it was finalized there is not this invoice, which stays a draft: the books tell of the
 * difference, and of no amount that Stripe does not have. Void, it bills nothing, whatever is on it.
 */
export async function followStripe(
  tx: Queryable,
  environmentId: string,
  invoiceId: string,
  { status, url, mismatch }: StandingInStripe,
  making: Following,
): Promise<void> {
  if (mismatch !== undefined) {
    if (status === "void") await moveAndRecord(tx, environmentId, invoiceId, "void", making);
    else await keepMismatch(tx, environmentId, invoiceId, [status, mismatch], making);
    return;
  }
  await tx.query(
    "UPDATE invoices SET stripe_configured = true, hosted_invoice_url = coalesce($2, hosted_invoice_url) WHERE id = $1",
    [invoiceId, url],
  );
  await moveAndRecord(tx, environmentId, invoiceId, "open", making);
  await announceInvoice(tx, await getInvoice(tx, environmentId, invoiceId), making);
  await moveAndRecord(tx, environmentId, invoiceId, status, making);
}

async function moveAndRecord(
  tx: Queryable,
  environmentId: string,
  invoiceId: string,
  status: InvoiceStatus,
  { newId, now, requestId }: Following,
): Promise<void> {
  const moved = await moveInvoice(tx, invoiceId, status, now);
  if (!moved) return;
  const operation = `invoice.${status}`;
  await recordSystemChange(
    tx,
    { environmentId, actor: "stripe", operation, resourceIds: [invoiceId], requestId },
    { newId, now },
  );
  if (status !== "paid") return;
  const paid = toInvoice(await getInvoice(tx, environmentId, invoiceId));
  await enqueueWebhook(tx, environmentId, "invoice.paid", paid, { newId, now });
}

/** Keeps what Stripe has in place of an invoice that is not finalized, and tells the audit log of it once. */
async function keepMismatch(
  tx: Queryable,
  environmentId: string,
  invoiceId: string,
  mismatch: readonly [status: string, subtotal: string],
  { newId, now, requestId }: Following,
): Promise<void> {
  const kept = await tx.query(
    `UPDATE invoices SET stripe_configured = true, mismatch_status = $2, mismatch_subtotal = $3
     WHERE id = $1 AND status IN ('computed', 'draft')
       AND (mismatch_status, mismatch_subtotal) IS DISTINCT FROM ($2, $3) RETURNING id`,
    [invoiceId, ...mismatch],
  );
  if (kept.length === 0) return;
  await recordSystemChange(
    tx,
    { environmentId, actor: "stripe", operation: "invoice.mismatched", resourceIds: [invoiceId], requestId },
    { newId, now },
  );
}
