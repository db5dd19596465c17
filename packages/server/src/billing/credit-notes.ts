import type { CreateCreditNote, CreditNote, ListInvoicesQuery } from "@licentric/contract";
import Big from "big.js";
import type Stripe from "stripe";
import type { z } from "zod";
import { ApiError, notFound } from "../http/api-error.ts";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { getInvoice, type InvoiceRow, lockInvoice } from "./invoices.ts";
import { payableAmount } from "./payable-amount.ts";
import { minorToDecimal, roundToCurrency } from "./pricing.ts";

interface CreditNoteRow {
  id: string;
  invoice_id: string;
  status: CreditNote["status"];
  currency: string;
  amount: string;
  amount_minor: number;
  settlement: CreditNote["settlement"];
  reason: Stripe.CreditNoteCreateParams.Reason | null;
  memo: string | null;
  stripe_credit_note_id: string | null;
  created_at: Date;
}

const SELECT = `SELECT n.id, n.invoice_id, n.status, i.currency, n.amount, n.amount_minor, n.settlement, n.reason,
  n.memo, n.stripe_credit_note_id, n.created_at
FROM credit_notes n JOIN invoices i ON i.id = n.invoice_id`;

function toCreditNote(row: CreditNoteRow): CreditNote {
  return {
    id: row.id,
    invoiceId: row.invoice_id,
    status: row.status,
    currency: row.currency,
    amount: row.amount,
    amountMinor: row.amount_minor,
    settlement: row.settlement,
    reason: row.reason,
    memo: row.memo,
    stripeCreditNoteId: row.stripe_credit_note_id,
    createdAt: row.created_at.toISOString(),
  };
}

/**
 * Stores a credit note: an amount taken back from an invoice, which itself stays as it is. The lock on the invoice
 * keeps all of its credit notes together from taking back more than its total.
 *
 * @throws {ApiError} `CONFLICT` when the invoice is void or still has to be sent to Stripe; `UNPROCESSABLE` when the
 * amount is more than what is left, is nothing, or is finer than the currency's minor unit, or when it is to be settled by
 * Stripe, where the payment did not go by it.
 */
export async function storeCreditNote(
  tx: Queryable,
  environmentId: string,
  invoiceId: string,
  { amount, reason, memo, settlement }: z.output<typeof CreateCreditNote>,
  { newId, now, stripeConnected }: { newId: () => string; now: Date; stripeConnected: boolean },
): Promise<CreditNote> {
  const invoice = await lockInvoice(tx, environmentId, invoiceId);
  const unsent = invoice.status === "draft" || (invoice.status === "computed" && stripeConnected);
  if (unsent || invoice.status === "void") {
    throw new ApiError(
      "CONFLICT",
      unsent
        ? "The invoice is not in Stripe yet. Create it again to send it, or void it."
        : "The invoice is void, so there is nothing to take back from it.",
    );
  }
  const credit = creditOf(invoice, amount);
  const id = newId();
  await tx.query(
    `INSERT INTO credit_notes
       (id, environment_id, invoice_id, status, amount, amount_minor, settlement, reason, memo, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      id,
      environmentId,
      invoice.id,
      invoice.stripe_invoice_id === null ? "issued" : "pending",
      credit.amount,
      credit.amountMinor,
      settlementOf(invoice, settlement),
      reason ?? null,
      memo ?? null,
      now,
    ],
  );
  return getCreditNote(tx, environmentId, id);
}

/**
 * Returns the way a credit note on a paid invoice is settled. Of what was paid by hand, nobody but the owner gives
 * anything back.
 */
function settlementOf(
  { status, number }: InvoiceRow,
  asked: CreditNote["settlement"] | undefined,
): CreditNote["settlement"] {
  if (status !== "paid") return null;
  if (number === null) return asked ?? "customer_balance";
  if (asked === undefined || asked === null || asked === "out_of_band") return "out_of_band";
  throw new ApiError(
    "UNPROCESSABLE",
    "The invoice was not paid by Stripe, so the money goes back out of band: by you. Leave settlement out.",
  );
}

function creditOf(invoice: InvoiceRow, amount: string) {
  const credit = payableAmount(amount, invoice.currency);
  const left = new Big(invoice.total).minus(minorToDecimal(invoice.credited_minor, invoice.currency));
  if (new Big(credit.amount).eq(0) || left.lt(credit.amount)) {
    throw new ApiError(
      "UNPROCESSABLE",
      `A credit note takes back more than nothing and at most what is left of the invoice, ${roundToCurrency(left, invoice.currency).amount} ${invoice.currency}.`,
    );
  }
  if (!Number.isSafeInteger(credit.amountMinor)) {
    const most = minorToDecimal(Number.MAX_SAFE_INTEGER, invoice.currency);
    throw new ApiError(
      "UNPROCESSABLE",
      `One credit note takes back at most ${most} ${invoice.currency}. Make several.`,
    );
  }
  return credit;
}

/** Reads a credit note. */
export async function getCreditNote(db: Queryable, environmentId: string, id: string): Promise<CreditNote> {
  const rows = await db.query<CreditNoteRow>(`${SELECT} WHERE n.environment_id = $1 AND n.id = $2`, [
    environmentId,
    uuidParam(id),
  ]);
  if (rows.length === 0) throw notFound("credit note", id);
  return toCreditNote(onlyRow(rows));
}

/** Lists an invoice's credit notes, newest first. */
export async function listCreditNotes(
  db: Queryable,
  environmentId: string,
  invoiceId: string,
  query: Pick<z.output<typeof ListInvoicesQuery>, "limit" | "cursor">,
): Promise<Page<CreditNote>> {
  const page = pageRequest(query);
  const invoice = await getInvoice(db, environmentId, invoiceId);
  return readPage(
    page,
    (limit) =>
      db.query<CreditNoteRow>(
        `${SELECT} WHERE n.environment_id = $1 AND n.invoice_id = $2 AND ($3::uuid IS NULL OR n.id < $3)
         ORDER BY n.id DESC LIMIT $4`,
        [environmentId, invoice.id, page.cursor, limit],
      ),
    toCreditNote,
  );
}
