import type { Invoice } from "@licentric/contract";
import type { Queryable } from "../store/database.ts";

/** Status of an invoice. */
export type InvoiceStatus = Invoice["status"];

/**
 * The statuses that can follow each. News of a payment come late, twice and out of order; what does not follow from
 * where the invoice stands is old news. `paid` and `void` are final.
 */
const FOLLOWING: Readonly<Record<InvoiceStatus, readonly InvoiceStatus[]>> = {
  computed: ["draft", "void"],
  draft: ["open", "payment_failed", "paid", "uncollectible", "void"],
  open: ["payment_failed", "paid", "uncollectible", "void"],
  payment_failed: ["paid", "uncollectible", "void"],
  uncollectible: ["paid", "void"],
  paid: [],
  void: [],
};

/** Moves an invoice to a status, where that can follow; answers whether it did. */
export async function moveInvoice(
  tx: Queryable,
  invoiceId: string,
  status: InvoiceStatus,
  now: Date,
): Promise<boolean> {
  const before = Object.entries(FOLLOWING).flatMap(([from, to]) => (to.includes(status) ? [from] : []));
  const moved = await tx.query(
    `UPDATE invoices SET status = $2, voided_at = CASE WHEN $2 = 'void' THEN $3::timestamptz END,
       paid_at = CASE WHEN $2 = 'paid' THEN coalesce(paid_at, $3::timestamptz) ELSE paid_at END
     WHERE id = $1 AND status = ANY ($4::text[]) RETURNING id`,
    [invoiceId, status, now, before],
  );
  return moved.length > 0;
}
