import type {
  BillingPeriod,
  CreateInvoice,
  Invoice,
  InvoiceDiscount,
  InvoiceLine,
  InvoiceMinimum,
  ListInvoicesQuery,
  Mode,
} from "@licentric/contract";
import type { z } from "zod";
import type { Environment } from "../accounts/accounts.ts";
import { getCustomer } from "../customers/customers.ts";
import { ApiError, notFound } from "../http/api-error.ts";
import { type Page, pageRequest, readPage } from "../http/page.ts";
import type { Payer } from "../payers/payer.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { enqueueWebhook } from "../webhooks/outbox.ts";
import { selectCharges, shownTerms } from "./charges.ts";
import { getPeriod } from "./periods.ts";
import { minorToDecimal } from "./pricing.ts";
import { noticeOf } from "./stripe-limits.ts";

/** Seller or buyer of an invoice, as its document names them. */
export type InvoiceParty = Pick<Payer, "name" | "email" | "address" | "taxId">;

/** An invoice as it is stored. */
export interface InvoiceRow {
  readonly id: string;
  readonly environment_id: string;
  readonly period_id: string;
  readonly customer_id: string | null;
  readonly status: Invoice["status"];
  readonly currency: string;
  readonly lines: InvoiceLine[];
  readonly discount: InvoiceDiscount | null;
  readonly minimum: InvoiceMinimum | null;
  readonly total: string;
  /** Sum of its credit notes in the currency's minor unit: a whole number, as text for it may be more than a number holds. */
  readonly credited_minor: string;
  readonly metadata: Record<string, string>;
  readonly stripe_configured: boolean;
  readonly stripe_customer_id: string | null;
  readonly stripe_invoice_id: string | null;
  readonly stripe_items: string[];
  /** Status of what Stripe has in place of it, changed and finalized by hand there; null where nothing is known of that. */
  readonly mismatch_status: string | null;
  /** Subtotal of what Stripe has then, a decimal string. */
  readonly mismatch_subtotal: string | null;
  readonly hosted_invoice_url: string | null;
  readonly collection: "send_invoice" | "charge_automatically";
  readonly days_until_due: number;
  readonly automatic_tax: boolean;
  readonly memo: string | null;
  /** null: it is not issued here. */
  readonly number: string | null;
  readonly issued_at: Date | null;
  readonly due_at: Date | null;
  /** Seller and buyer as they stood when it was issued; the buyer's is null where he was erased since. */
  readonly seller: InvoiceParty | null;
  readonly buyer: InvoiceParty | null;
  readonly paid_at: Date | null;
  readonly payment_reference: string | null;
  readonly created_at: Date;
}

const DAYS_UNTIL_DUE = 30;

const COLUMNS = `id, environment_id, period_id, customer_id, status, currency, lines, discount, minimum, total, metadata,
  stripe_configured, stripe_customer_id, stripe_invoice_id, stripe_items, mismatch_status, mismatch_subtotal,
  hosted_invoice_url, created_at, number, issued_at, due_at, seller, buyer, paid_at, payment_reference,
  coalesce(collection, 'send_invoice') AS collection, coalesce(days_until_due, ${DAYS_UNTIL_DUE}) AS days_until_due,
  coalesce(automatic_tax, false) AS automatic_tax, memo,
  (SELECT coalesce(sum(n.amount_minor), 0)::text FROM credit_notes n
   WHERE n.invoice_id = invoices.id AND n.status <> 'refused') AS credited_minor`;

/** An invoice as it is answered. */
export function toInvoice(row: InvoiceRow): Invoice {
  const notice = noticeOf(row);
  const common = {
    id: row.id,
    periodId: row.period_id,
    customerId: row.customer_id,
    status: row.status,
    currency: row.currency,
    lines: row.lines,
    ...shownTerms(row, row.lines, row.currency),
    total: row.total,
    totalUsage: Object.fromEntries(row.lines.map(({ meterName, quantity }) => [meterName, quantity])),
    credited: minorToDecimal(row.credited_minor, row.currency),
    metadata: row.metadata,
    memo: row.memo,
    number: row.number,
    issuedAt: row.issued_at?.toISOString() ?? null,
    dueAt: row.due_at?.toISOString() ?? null,
    paidAt: row.paid_at?.toISOString() ?? null,
    paymentReference: row.payment_reference,
    ...(notice !== undefined && { notice }),
    createdAt: row.created_at.toISOString(),
  };
  if (!row.stripe_configured) return { stripeConfigured: false, ...common };
  return {
    stripeConfigured: true,
    stripeInvoiceId: row.stripe_invoice_id,
    hostedInvoiceUrl: row.hosted_invoice_url,
    ...common,
  };
}

/**
 * Computes and stores a closed period's invoice, or reads the one that was made before: there is one for each
 * payer that is not void. Usage that was recorded while its agent belonged to a customer is on that customer's
 * invoice, all other usage on the account's, so that every unit is on exactly one.
 *
 * @throws {ApiError} `NOT_FOUND`, or `CONFLICT` while the period is open.
 */
export async function ensureInvoice(
  tx: Queryable,
  environment: Environment,
  periodId: string,
  { customerId, ...terms }: z.output<typeof CreateInvoice>,
  { newId, now }: { newId: () => string; now: Date },
): Promise<InvoiceRow> {
  const period = await requireClosedPeriod(tx, environment.id, periodId);
  if (customerId !== undefined) await getCustomer(tx, environment.id, customerId);
  const currency = period.currency ?? environment.account.currency;
  const payer = customerId ?? null;
  const chargesOf = await selectCharges(tx, { id: period.id, currency }, [payer], now);
  const { lines, discount, minimum, total } = chargesOf(payer);
  await tx.query(
    `INSERT INTO invoices (id, environment_id, period_id, customer_id, status, currency, lines, total, metadata, created_at,
       discount, minimum)
     VALUES ($1, $2, $3, $4, 'computed', $5, $6::jsonb, $7, $8::jsonb, $9, $10::jsonb, $11::jsonb)
     ON CONFLICT (period_id, customer_id) WHERE status <> 'void' DO NOTHING`,
    [
      newId(),
      environment.id,
      period.id,
      payer,
      currency,
      JSON.stringify(lines),
      total,
      JSON.stringify(terms.metadata ?? {}),
      now,
      discount && JSON.stringify(discount),
      minimum && JSON.stringify(minimum),
    ],
  );
  await keepTerms(tx, period.id, payer, terms);
  return onlyRow(
    await tx.query<InvoiceRow>(
      `SELECT ${COLUMNS} FROM invoices
       WHERE period_id = $1 AND customer_id IS NOT DISTINCT FROM $2::uuid AND status <> 'void'`,
      [period.id, payer],
    ),
  );
}

/** Until an invoice is in Stripe, what is said of it can be said again: a repetition may put right what was refused. */
async function keepTerms(
  tx: Queryable,
  periodId: string,
  payer: string | null,
  {
    metadata,
    collection,
    daysUntilDue,
    automaticTax,
    memo,
  }: Omit<z.output<typeof CreateInvoice>, "customerId">,
): Promise<void> {
  await tx.query(
    `UPDATE invoices SET metadata = coalesce($3::jsonb, metadata), collection = coalesce($4, collection),
       days_until_due = coalesce($5, days_until_due), automatic_tax = coalesce($6, automatic_tax), memo = coalesce($7, memo)
     WHERE period_id = $1 AND customer_id IS NOT DISTINCT FROM $2::uuid AND status = 'computed'
       AND stripe_invoice_id IS NULL`,
    [
      periodId,
      payer,
      metadata === undefined ? null : JSON.stringify(metadata),
      collection ?? null,
      daysUntilDue ?? null,
      automaticTax ?? null,
      memo ?? null,
    ],
  );
}

/** @throws {ApiError} `NOT_FOUND`, or `CONFLICT` while the period is open. */
export async function requireClosedPeriod(
  db: Queryable,
  environmentId: string,
  periodId: string,
): Promise<BillingPeriod> {
  const period = await getPeriod(db, environmentId, periodId);
  if (period.status === "closed") return period;
  throw new ApiError("CONFLICT", "The period is still open. Close it before you invoice it.");
}

/** Tells webhooks of an invoice once, when it is complete: computed or, with Stripe, finalized. */
export async function announceInvoice(
  tx: Queryable,
  invoice: InvoiceRow,
  { newId, now }: { newId: () => string; now: Date },
): Promise<void> {
  const first = await tx.query(
    "UPDATE invoices SET announced_at = $2 WHERE id = $1 AND announced_at IS NULL RETURNING id",
    [invoice.id, now],
  );
  if (first.length === 0) return;
  await enqueueWebhook(tx, invoice.environment_id, "invoice.created", toInvoice(invoice), { newId, now });
}

/** The invoices of these payers that are not void. */
export function invoicesOfPeriod(
  db: Queryable,
  periodId: string,
  payers: readonly (string | null)[],
): Promise<InvoiceRow[]> {
  return db.query<InvoiceRow>(
    `SELECT ${COLUMNS} FROM invoices
     WHERE period_id = $1 AND status <> 'void' AND (customer_id = ANY ($2::uuid[]) OR customer_id IS NULL AND $3)`,
    [periodId, payers.filter((id) => id !== null), payers.includes(null)],
  );
}

/** The invoices that are this one of Stripe's. */
export function invoicesInStripe(db: Queryable, stripeInvoiceId: string, mode: Mode): Promise<InvoiceRow[]> {
  return db.query<InvoiceRow>(
    `SELECT ${COLUMNS} FROM invoices
     WHERE stripe_invoice_id = $1 AND environment_id IN (SELECT e.id FROM environments e WHERE e.mode = $2)`,
    [stripeInvoiceId, mode],
  );
}

/** Reads an invoice. */
export async function getInvoice(db: Queryable, environmentId: string, id: string): Promise<InvoiceRow> {
  const rows = await db.query<InvoiceRow>(
    `SELECT ${COLUMNS} FROM invoices WHERE environment_id = $1 AND id = $2`,
    [environmentId, uuidParam(id)],
  );
  if (rows.length === 0) throw notFound("invoice", id);
  return onlyRow(rows);
}

/** Reads an invoice and keeps it from changing until the transaction ends. */
export async function lockInvoice(tx: Queryable, environmentId: string, id: string): Promise<InvoiceRow> {
  await tx.query("SELECT 1 FROM invoices WHERE environment_id = $1 AND id = $2 FOR UPDATE", [
    environmentId,
    uuidParam(id),
  ]);
  return getInvoice(tx, environmentId, id);
}

/** Lists invoices, newest first. */
export function listInvoices(
  db: Queryable,
  environmentId: string,
  query: z.output<typeof ListInvoicesQuery>,
): Promise<Page<Invoice>> {
  const page = pageRequest(query);
  return readPage(
    page,
    (limit) =>
      db.query<InvoiceRow>(
        `SELECT ${COLUMNS} FROM invoices
         WHERE environment_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::uuid IS NULL OR period_id = $3)
           AND ($4::uuid IS NULL OR customer_id = $4)
         ORDER BY id DESC LIMIT $5`,
        [
          environmentId,
          page.cursor,
          query.periodId === undefined ? null : uuidParam(query.periodId),
          query.customerId === undefined ? null : uuidParam(query.customerId),
          limit,
        ],
      ),
    toInvoice,
  );
}
