import type Stripe from "stripe";
import type { InvoiceRow } from "./invoices.ts";

/** A term of an invoice on which the books and Stripe do not agree. */
export interface TermDifference {
  readonly what: string;
  readonly expected: string;
  readonly found: string;
}

const DAY_IN_SECONDS = 86_400;

/** Some members of a draft; the compiler checks none of a literal that is spread, unless it is said what they are of. */
type DraftMembers = Partial<Stripe.InvoiceCreateParams>;

/** Returns the parameters with which the draft is created in Stripe. */
export function draftOf(invoice: InvoiceRow): Stripe.InvoiceCreateParams {
  const { automatic_tax, memo } = invoice;
  return {
    customer: invoice.stripe_customer_id ?? "",
    currency: invoice.currency,
    auto_advance: false,
    ...collectionOf(invoice),
    ...(automatic_tax && ({ automatic_tax: { enabled: true } } satisfies DraftMembers)),
    ...(memo !== null && ({ description: memo } satisfies DraftMembers)),
    pending_invoice_items_behavior: "exclude",
    metadata: metadataOf(invoice),
  };
}

/**
 * Returns the update that brings a draft to the invoice's terms. It names those that the invoice lacks, too,
 * as an empty string removes them.
 */
export function termsUpdate(invoice: InvoiceRow, draft: Stripe.Invoice): Stripe.InvoiceUpdateParams {
  const removed = Object.keys(draft.metadata ?? {}).map((key) => [key, ""]);
  return {
    ...collectionOf(invoice),
    automatic_tax: { enabled: invoice.automatic_tax },
    description: invoice.memo ?? "",
    metadata: { ...Object.fromEntries(removed), ...metadataOf(invoice) },
  };
}

/** Returns the terms on which the books and Stripe's invoice do not agree. */
export function termDifferences(invoice: InvoiceRow, found: Stripe.Invoice): TermDifference[] {
  const { collection, days_until_due, automatic_tax, memo, metadata } = invoice;
  const days = collection === "send_invoice" ? String(days_until_due) : null;
  const compared: [what: string, expected: string | null, found: string | null][] = [
    ["collection", collection, found.collection_method],
    ["days until due", days, found.collection_method === collection ? daysUntilDue(found, days) : days],
    ["automatic tax", String(automatic_tax), String(found.automatic_tax.enabled)],
    ["memo", memo, found.description],
    ...Object.entries(metadata)
      .filter(([key]) => !OUR_KEYS.has(key))
      // Of an entry whose value is empty, Stripe keeps nothing.
      .map(([key, value]): [string, string | null, string | null] => [
        `metadata ${key}`,
        value || null,
        found.metadata?.[key] ?? null,
      ]),
  ];
  return compared.flatMap(([what, expected, is]) =>
    expected === is ? [] : [{ what, expected: shown(expected), found: shown(is) }],
  );
}

const NONE = "none";

/** A term for a person; the text "none" is not to be taken for nothing. */
function shown(term: string | null): string {
  return term === NONE ? `"${NONE}"` : (term ?? NONE);
}

/** Checks whether a draft has the invoice's terms and no other metadata. */
export function hasTerms(invoice: InvoiceRow, draft: Stripe.Invoice): boolean {
  const own = metadataOf(invoice);
  const isOther = (key: string) => !Object.hasOwn(own, key);
  return termDifferences(invoice, draft).length === 0 && !Object.keys(draft.metadata ?? {}).some(isOther);
}

function collectionOf({ collection, days_until_due }: InvoiceRow) {
  return collection === "send_invoice"
    ? ({ collection_method: collection, days_until_due } satisfies DraftMembers)
    : ({ collection_method: collection } satisfies DraftMembers);
}

function metadataOf({ id, period_id, metadata }: InvoiceRow): Record<string, string> {
  return { ...metadata, licentric_invoice_id: id, licentric_period_id: period_id };
}

/** Keys in Stripe's metadata whose values are ours, whatever the owner's own metadata have under them. */
const OUR_KEYS: ReadonlySet<string> = new Set(["licentric_invoice_id", "licentric_period_id"]);

/**
 * Days until it is due. Stripe keeps a date alone: counted from when it was made, or finalized, to that moment or the end
 * of its day, whichever fits.
 */
function daysUntilDue(
  { due_date, created, status_transitions }: Stripe.Invoice,
  expected: string | null,
): string | null {
  if (due_date === null) return null;
  const counted = [created, status_transitions.finalized_at ?? created].flatMap((from) => {
    const days = (due_date - from) / DAY_IN_SECONDS;
    return [String(Math.round(days)), String(Math.floor(days))];
  });
  return counted.find((days) => days === expected) ?? counted[0] ?? null;
}
