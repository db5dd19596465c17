import type { CreditNote } from "@licentric/contract";
import type Stripe from "stripe";
import { recordSystemChange } from "../audit/audit-events.ts";
import { ApiError } from "../http/api-error.ts";
import type { Services } from "../services.ts";
import { getCreditNote } from "./credit-notes.ts";
import { getInvoice } from "./invoices.ts";
import { makeInStripe } from "./make-in-stripe.ts";
import { type StripeConnection, stripeFailure } from "./stripe.ts";
import { stripeAmount } from "./stripe-invoice.ts";

/**
 * Brings a pending credit note to Stripe, once. One that Stripe refuses is kept as refused, and takes nothing back.
 *
 * @throws {ApiError} `UNPROCESSABLE` when Stripe refuses it, `UPSTREAM_ERROR` when Stripe cannot be reached: it
 * stays pending, and the same request or {@link sendPendingCreditNotes} goes on with it.
 */
export async function sendCreditNote(
  services: Pick<Services, "db" | "now" | "newId">,
  { api }: StripeConnection,
  environmentId: string,
  creditNoteId: string,
): Promise<CreditNote> {
  const { db } = services;
  const note = await getCreditNote(db, environmentId, creditNoteId);
  const invoice = await getInvoice(db, environmentId, note.invoiceId);
  const { stripe_invoice_id: stripeInvoiceId, currency } = invoice;
  if (note.status !== "pending" || stripeInvoiceId === null) return note;
  const amount = stripeAmount(note.amountMinor, currency);
  try {
    const made = await makeInStripe(services, {
      subjectId: note.id,
      step: "credit-note",
      find: async () => {
        const list = api.creditNotes.list({ invoice: stripeInvoiceId, limit: 100 });
        for await (const one of list) if (one.metadata?.["licentric_credit_note_id"] === note.id) return one;
        return null;
      },
      make: (idempotencyKey) =>
        api.creditNotes.create(
          {
            invoice: stripeInvoiceId,
            amount,
            ...settlementOf(note, amount),
            ...(isReason(note.reason) && ({ reason: note.reason } satisfies NoteMembers)),
            ...(note.memo !== null && ({ memo: note.memo } satisfies NoteMembers)),
            metadata: { licentric_credit_note_id: note.id },
          },
          { idempotencyKey },
        ),
    });
    await settle(services, environmentId, note.id, "issued", made.id);
    return await getCreditNote(db, environmentId, note.id);
  } catch (error) {
    const failure = stripeFailure(error, "issue the credit note", { creditNoteId: note.id });
    if (!(failure instanceof ApiError) || !isRefusal(error)) throw failure;
    // Another process may have brought it to Stripe at the same time: what is issued stays so.
    await settle(services, environmentId, note.id, "refused", null);
    throw new ApiError("UNPROCESSABLE", `Stripe refused the credit note: ${error.message}`, failure.details);
  }
}

type NoteMembers = Partial<Stripe.CreditNoteCreateParams>;

/** Keeps what Stripe said of a credit note. One that is issued stays so. */
function settle(
  { db, newId, now }: Pick<Services, "db" | "newId" | "now">,
  environmentId: string,
  creditNoteId: string,
  status: "issued" | "refused",
  stripeCreditNoteId: string | null,
): Promise<void> {
  return db.transaction(async (tx) => {
    const settled = await tx.query(
      `UPDATE credit_notes SET status = $2, stripe_credit_note_id = coalesce($3, stripe_credit_note_id)
       WHERE id = $1 AND status <> 'issued' AND ($2 = 'issued' OR status = 'pending') RETURNING id`,
      [creditNoteId, status, stripeCreditNoteId],
    );
    if (settled.length === 0) return;
    const operation = `credit_note.${status}`;
    await recordSystemChange(
      tx,
      { environmentId, actor: "stripe", operation, resourceIds: [creditNoteId] },
      { newId, now: now() },
    );
  });
}

function settlementOf({ settlement }: CreditNote, amount: number): NoteMembers {
  if (settlement === "refund") return { refund_amount: amount };
  if (settlement === "out_of_band") return { out_of_band_amount: amount };
  return settlement === "customer_balance" ? { credit_amount: amount } : {};
}

const REASONS = ["duplicate", "fraudulent", "order_change", "product_unsatisfactory"] as const;

function isReason(reason: string | null): reason is (typeof REASONS)[number] {
  return REASONS.some((one) => one === reason);
}

function isRefusal(error: unknown): error is Error & { readonly statusCode: number } {
  return error instanceof Error && "statusCode" in error && error.statusCode === 400;
}

/** Milliseconds for which a credit note is left to the request that made it. */
const LEFT_TO_REQUEST = 60_000;
const SENT_AT_ONCE = 20;

/**
 * Goes on with credit notes whose request got no answer of Stripe's and was not repeated. Several processes can do it
 * at once. The order is random, so that those that fail again and again hold up no other for good.
 *
 * @param onError is told of each that failed; it stays pending or, where Stripe refused it, is kept as refused.
 */
export async function sendPendingCreditNotes(
  services: Pick<Services, "db" | "now" | "newId">,
  stripe: StripeConnection,
  onError: (error: unknown) => void,
): Promise<void> {
  const pending = await services.db.query<{ id: string; environment_id: string }>(
    `SELECT n.id, n.environment_id FROM credit_notes n JOIN environments e ON e.id = n.environment_id
     WHERE n.status = 'pending' AND e.mode = $1 AND n.created_at <= $2 ORDER BY random() LIMIT $3`,
    [stripe.mode, new Date(services.now().getTime() - LEFT_TO_REQUEST), SENT_AT_ONCE],
  );
  for (const { id, environment_id } of pending) {
    await sendCreditNote(services, stripe, environment_id, id).catch(onError);
  }
}
