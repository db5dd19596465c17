import type { UninvoicedQuery, UninvoicedRest, UninvoicedUsage } from "@licentric/contract";
import Big from "big.js";
import type { z } from "zod";
import { summedQuantity } from "../exact-integer.ts";
import { ApiError } from "../http/api-error.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { selectBilledUsage } from "./billed-usage.ts";
import { currencyRule } from "./currency.ts";
import { type BilledUsage, invoiceLines } from "./invoice-lines.ts";
import { sumAmounts } from "./pricing.ts";

const MAX_ROWS = 10_000;
/** So many other payers are added up while an invoice is made; of more, their number is told alone. */
const MAX_ADDED_UP = 1_000;

/** Payers with usage in a period that is over, or closed, and on no invoice that is not void; `$1` to `$4`. */
const UNINVOICED = `
FROM periods p
JOIN environments e ON e.id = p.environment_id
JOIN accounts a ON a.id = e.account_id
CROSS JOIN LATERAL (SELECT DISTINCT customer_id FROM usage_totals WHERE period_id = p.id) t
LEFT JOIN customers c ON c.id = t.customer_id
LEFT JOIN invoices i ON i.period_id = p.id AND i.customer_id IS NOT DISTINCT FROM t.customer_id
  AND i.status <> 'void'
WHERE p.environment_id = $1 AND ($2::uuid IS NULL OR p.id = $2) AND (p.status = 'closed' OR p.ends_at <= $3)
  AND (i.id IS NULL OR $4 AND i.status IN ('computed', 'draft'))`;

interface UninvoicedRow {
  period_id: string;
  period_status: "open" | "closed";
  starts_at: Date;
  ends_at: Date;
  currency: string;
  customer_id: string | null;
  name: string;
  invoice_id: string | null;
}

/**
 * The payers of periods that are over, or closed, whose usage stands on no invoice yet. A void invoice is none, and with
 * Stripe one that is not sent is none either.
 *
 * @throws {ApiError} `UNPROCESSABLE` when there are more than 10,000.
 */
export async function listUninvoiced(
  db: Queryable,
  environmentId: string,
  { periodId }: z.output<typeof UninvoicedQuery>,
  { now, stripeConnected }: { now: Date; stripeConnected: boolean },
): Promise<UninvoicedUsage[]> {
  const rows = await db.query<UninvoicedRow>(
    `SELECT p.id AS period_id, p.status AS period_status, p.starts_at, p.ends_at,
       coalesce(p.currency, e.currency, a.currency) AS currency, t.customer_id,
       coalesce(c.name, e.name, a.name) AS name, i.id AS invoice_id ${UNINVOICED}
     ORDER BY p.starts_at, t.customer_id NULLS LAST LIMIT $5`,
    [environmentId, periodId === undefined ? null : uuidParam(periodId), now, stripeConnected, MAX_ROWS + 1],
  );
  if (rows.length > MAX_ROWS) {
    throw new ApiError(
      "UNPROCESSABLE",
      `There are more than ${MAX_ROWS} payers without an invoice. ${
        periodId === undefined
          ? "Ask for one period (periodId)."
          : "Make their invoices first (billing.createInvoices, `licentric invoice create`)."
      }`,
    );
  }
  const usage = new Map<string, ReadonlyMap<string | null, readonly BilledUsage[]>>();
  for (const id of new Set(rows.map((row) => row.period_id))) usage.set(id, await selectBilledUsage(db, id));
  return rows.map((row) => {
    const own = usage.get(row.period_id)?.get(row.customer_id) ?? [];
    return {
      periodId: row.period_id,
      periodStatus: row.period_status,
      startsAt: row.starts_at.toISOString(),
      endsAt: row.ends_at.toISOString(),
      customerId: row.customer_id,
      name: row.name,
      invoiceId: row.invoice_id,
      currency: row.currency,
      total: sumAmounts(invoiceLines(own, row.currency), row.currency).amount,
      totalUsage: Object.fromEntries(own.map(({ meterName, quantity }) => [meterName, Number(quantity)])),
      usage: own.map(({ meterName, quantity }) => ({ meterName, ...summedQuantity(quantity) })),
    };
  });
}

/** What of a period other payers' invoices do not hold yet; undefined where nothing is left. */
export async function restOf(
  db: Queryable,
  environmentId: string,
  invoice: { readonly periodId: string; readonly customerId: string | null },
  making: { now: Date; stripeConnected: boolean },
): Promise<UninvoicedRest | undefined> {
  const { periodId, customerId } = invoice;
  const { payers, currency } = onlyRow(
    await db.query<{ payers: number; currency: string | null }>(
      `SELECT count(*)::int AS payers, min(coalesce(p.currency, e.currency, a.currency)) AS currency ${UNINVOICED}
       AND t.customer_id IS DISTINCT FROM $5::uuid`,
      [environmentId, uuidParam(periodId), making.now, making.stripeConnected, customerId],
    ),
  );
  if (currency === null) return undefined;
  if (payers > MAX_ADDED_UP) return { payers, currency };
  const all = await listUninvoiced(db, environmentId, { periodId }, making);
  const total = all
    .filter((each) => each.customerId !== customerId)
    .reduce((sum, each) => sum.plus(each.total), new Big(0));
  return { payers, currency, total: total.toFixed(currencyRule(currency).digits) };
}
