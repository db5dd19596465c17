import type { IssueInvoice } from "@licentric/contract";
import type { z } from "zod";
import type { Environment } from "../accounts/accounts.ts";
import { ApiError } from "../http/api-error.ts";
import { readPayer } from "../payers/payer.ts";
import { onlyRow, type Queryable } from "../store/database.ts";
import { announceInvoice, getInvoice, type InvoiceParty, type InvoiceRow, lockInvoice } from "./invoices.ts";
import { markPaid } from "./pay-invoice.ts";

const DAY = 86_400_000;

interface Making {
  readonly newId: () => string;
  readonly now: Date;
}

/**
 * Issues an invoice that is not in Stripe: it gets its number, the day on which it is due, and seller and buyer as they
 * stand now, and is open. One of nothing is paid with that. Issuing it again changes nothing.
 *
 * @throws {ApiError} `CONFLICT` where it is void, or Stripe has it or is being sent it: then Stripe's is the invoice.
 */
export async function issueInvoice(
  tx: Queryable,
  environment: Environment,
  invoiceId: string,
  { daysUntilDue }: z.output<typeof IssueInvoice>,
  { newId, now }: Making,
): Promise<InvoiceRow> {
  const invoice = await lockInvoice(tx, environment.id, invoiceId);
  if (invoice.number !== null) return invoice;
  requireIssuable(invoice);
  const seller = partyOf(await readPayer(tx, environment.id, null));
  const buyer = partyOf(await readPayer(tx, environment.id, invoice.customer_id));
  const days = daysUntilDue ?? invoice.days_until_due;
  await tx.query(
    `UPDATE invoices SET status = 'open', number = $2, issued_at = $3, due_at = $4, days_until_due = $5,
       seller = $6::jsonb, buyer = $7::jsonb
     WHERE id = $1`,
    [
      invoice.id,
      await nextNumber(tx, environment),
      now,
      new Date(now.getTime() + days * DAY),
      days,
      JSON.stringify(seller),
      JSON.stringify(buyer),
    ],
  );
  const issued = await getInvoice(tx, environment.id, invoice.id);
  await announceInvoice(tx, issued, { newId, now });
  return Number(invoice.total) === 0 ? markPaid(tx, issued, { newId, now }) : issued;
}

/** @throws {ApiError} `CONFLICT` where it is void, or Stripe has it or is being sent it. */
function requireIssuable(invoice: InvoiceRow): void {
  if (invoice.status === "void") {
    throw new ApiError("CONFLICT", "The invoice is void. Create it again, and issue that one.");
  }
  if (invoice.status === "computed" && invoice.stripe_customer_id === null) return;
  throw new ApiError(
    "CONFLICT",
    "The invoice is in Stripe, or on its way there, and Stripe's is the one that is issued: create it again to finish it.",
  );
}

/** Takes the next number. Whoever comes at the same time waits until this invoice is stored, so that none is left out. */
async function nextNumber(tx: Queryable, { id, mode }: Environment): Promise<string> {
  const { last } = onlyRow(
    await tx.query<{ last: number }>(
      `INSERT INTO invoice_numbers (environment_id, last) VALUES ($1, 1)
       ON CONFLICT (environment_id) DO UPDATE SET last = invoice_numbers.last + 1 RETURNING last`,
      [id],
    ),
  );
  return `${mode === "live" ? "INV" : "TEST"}-${String(last).padStart(4, "0")}`;
}

function partyOf({ name, email, address, taxId }: InvoiceParty): InvoiceParty {
  return { name, email, address, taxId };
}
