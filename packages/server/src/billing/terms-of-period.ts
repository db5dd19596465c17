import type { Discount } from "@licentric/contract";
import type { Queryable } from "../store/database.ts";

/** The terms of a customer that are agreed in rows of their own. */
export type TermKind = "discount" | "minimum";

/**
 * SQL of a condition: whether the last term of its kind, `t`, still counts for the period `of_open`. The closed periods
 * that it has counted for are written down; those that are open stand in the order in which they begin.
 */
const HAS_PERIODS_LEFT = `(t.periods IS NULL OR t.periods > (
  SELECT count(*) FROM period_terms f WHERE f.term_id = t.id
) + (
  SELECT count(*) FROM periods o WHERE o.environment_id = of_open.environment_id AND o.status = 'open'
    AND o.starts_at >= t.effective_from AND o.starts_at < of_open.starts_at
))`;

/**
 * The terms that would be written down of an open period, were it closed now, as a subquery. No name in it is one that
 * stands for a period around it.
 */
const termsOfOpen = (periodId: string) => `(
  SELECT of_open.environment_id, of_open.id AS period_id, t.customer_id, t.kind, t.id AS term_id, t.terms, t.reason
  FROM periods of_open
  CROSS JOIN LATERAL (
    SELECT DISTINCT ON (c.customer_id, c.kind) c.* FROM customer_terms c
    WHERE c.environment_id = of_open.environment_id AND c.effective_from <= of_open.starts_at
    ORDER BY c.customer_id, c.kind, c.effective_from DESC, c.id DESC
  ) t
  WHERE of_open.id = ${periodId} AND of_open.status = 'open' AND t.terms IS NOT NULL AND ${HAS_PERIODS_LEFT}
)`;

/**
 * The terms that count for a period, as a subquery: of one that is open those that are agreed for it now, of one that is
 * closed those that were as it was closed. Invoices, previews, payers and checks all read them here.
 */
export const termsOfPeriod = (periodId: string) => `(
  SELECT customer_id, kind, term_id, terms, reason FROM period_terms WHERE period_id = ${periodId}
  UNION ALL
  SELECT customer_id, kind, term_id, terms, reason FROM ${termsOfOpen(periodId)} now
)`;

/** Writes down the terms of a period that is about to be closed, whose row is locked; of a closed one, nothing. */
export async function fixTerms(tx: Queryable, periodId: string): Promise<void> {
  await tx.query(
    `INSERT INTO period_terms (environment_id, period_id, customer_id, kind, term_id, terms, reason)
     SELECT environment_id, period_id, customer_id, kind, term_id, terms, reason FROM ${termsOfOpen("$1::uuid")} now`,
    [periodId],
  );
}

/** Terms of one payer in one period. */
export interface PayerTerms {
  readonly discount?: { readonly discountId: string; readonly discount: Discount; readonly reason: string };
  readonly minimum?: { readonly minimumId: string; readonly minimum: string };
}

interface TermRow {
  readonly customer_id: string;
  readonly kind: TermKind;
  readonly term_id: string;
  readonly terms: Discount | { readonly minimum: string };
  readonly reason: string | null;
}

/** Reads the terms of each of these payers in a period; the account itself has none. */
export async function selectTerms(
  db: Queryable,
  periodId: string,
  payers: readonly (string | null)[],
): Promise<Map<string | null, PayerTerms>> {
  const customers = payers.filter((id) => id !== null);
  const byPayer = new Map<string | null, PayerTerms>();
  if (customers.length === 0) return byPayer;
  const rows = await db.query<TermRow>(
    `SELECT customer_id, kind, term_id, terms, reason FROM ${termsOfPeriod("$1::uuid")} t
     WHERE customer_id = ANY ($2::uuid[])`,
    [periodId, customers],
  );
  for (const { customer_id, term_id, terms, reason } of rows) {
    const term =
      "model" in terms
        ? { discount: { discountId: term_id, discount: terms, reason: reason ?? "" } }
        : { minimum: { minimumId: term_id, minimum: terms.minimum } };
    byPayer.set(customer_id, { ...byPayer.get(customer_id), ...term });
  }
  return byPayer;
}
