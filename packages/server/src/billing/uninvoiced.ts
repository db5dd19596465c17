import type { UninvoicedQuery, UninvoicedRest, UninvoicedUsage } from "@licentric/contract";
import Big from "big.js";
import type { z } from "zod";
import { summedQuantity } from "../exact-integer.ts";
import { ApiError } from "../http/api-error.ts";
import { type Page, pageRequest, readPageBy } from "../http/page.ts";
import { onlyRow, type Queryable, uuidParam } from "../store/database.ts";
import { type Charges, selectCharges } from "./charges.ts";
import { currencyRule } from "./currency.ts";
import { payersOfPeriod } from "./period-quantities.ts";

/** The account itself in a cursor, where a customer's id would stand. */
const OWN = "own";
/** So many other payers are added up while an invoice is made; of more, their number is told alone. */
const MAX_ADDED_UP = 1_000;

/** Payers with something to bill in a period that is over, or closed, and on no invoice that is not void; `$1` to `$4`. */
const UNINVOICED = `
FROM periods p
JOIN environments e ON e.id = p.environment_id
JOIN accounts a ON a.id = e.account_id
CROSS JOIN LATERAL (SELECT DISTINCT customer_id FROM ${payersOfPeriod("p.id")} q) t
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

/** Behind the cursor's payer, in the order of the list; `$5` and `$6`. */
const BEHIND_CURSOR = `
AND ($5::uuid IS NULL
  OR (p.starts_at, p.id) > ((SELECT starts_at FROM periods WHERE id = $5), $5)
  OR p.id = $5 AND $6::uuid IS NOT NULL AND (t.customer_id > $6 OR t.customer_id IS NULL))`;

/** A payer of a period; null is the account itself. */
interface Payer {
  readonly periodId: string;
  readonly customerId: string | null;
}

interface Making {
  readonly now: Date;
  readonly stripeConnected: boolean;
}

/**
 * Lists payers of periods that are over, or closed, whose usage stands on no invoice yet, oldest period first, each
 * period's own account last. A void invoice does not count, nor does, with Stripe, one that is not sent.
 *
 * @throws {ApiError} `VALIDATION_ERROR` where the cursor names no period of the environment.
 */
export async function listUninvoiced(
  db: Queryable,
  environmentId: string,
  query: z.output<typeof UninvoicedQuery>,
  making: Making,
): Promise<Page<UninvoicedUsage>> {
  const page = pageRequest(query);
  const behind = page.cursor === null ? null : await payerOf(db, environmentId, page.cursor);
  const periodId = query.periodId ?? null;
  return readPageBy(
    page,
    (limit) => selectUninvoiced(db, environmentId, { periodId, behind, limit }, making),
    (last) => `${last.periodId}_${last.customerId ?? OWN}`,
  );
}

/** The payer that a cursor names. Its period is looked for: without it, the list would seem to have ended. */
async function payerOf(db: Queryable, environmentId: string, cursor: string): Promise<Payer> {
  const [periodId = "", customer = ""] = cursor.split("_");
  const found = await db.query("SELECT 1 FROM periods WHERE environment_id = $1 AND id = $2", [
    environmentId,
    uuidParam(periodId),
  ]);
  if (found.length === 0) {
    const message = "names no period of this list";
    throw new ApiError("VALIDATION_ERROR", `cursor: ${message}`, { issues: [{ path: "cursor", message }] });
  }
  return { periodId, customerId: customer === OWN ? null : customer };
}

async function selectUninvoiced(
  db: Queryable,
  environmentId: string,
  { periodId, behind, limit }: { periodId: string | null; behind: Payer | null; limit: number },
  { now, stripeConnected }: Making,
): Promise<UninvoicedUsage[]> {
  const rows = await db.query<UninvoicedRow>(
    `SELECT p.id AS period_id, p.status AS period_status, p.starts_at, p.ends_at,
       coalesce(p.currency, e.currency, a.currency) AS currency, t.customer_id,
       coalesce(c.name, e.name, a.name) AS name, i.id AS invoice_id ${UNINVOICED} ${BEHIND_CURSOR}
     ORDER BY p.starts_at, p.id, t.customer_id NULLS LAST LIMIT $7`,
    [
      environmentId,
      periodId === null ? null : uuidParam(periodId),
      now,
      stripeConnected,
      behind?.periodId ?? null,
      behind?.customerId ?? null,
      limit,
    ],
  );
  const found: UninvoicedUsage[] = [];
  // By period, as they are ordered.
  const currencies = new Map(rows.map((row) => [row.period_id, row.currency]));
  for (const [id, currency] of currencies) {
    const own = rows.filter((row) => row.period_id === id);
    const payers = own.map((row) => row.customer_id);
    const chargesOf = await selectCharges(db, { id, currency }, payers, now);
    found.push(...own.map((row) => toUninvoiced(row, chargesOf(row.customer_id))));
  }
  return found;
}

function toUninvoiced(row: UninvoicedRow, { usage, total }: Charges): UninvoicedUsage {
  return {
    periodId: row.period_id,
    periodStatus: row.period_status,
    startsAt: row.starts_at.toISOString(),
    endsAt: row.ends_at.toISOString(),
    customerId: row.customer_id,
    name: row.name,
    invoiceId: row.invoice_id,
    currency: row.currency,
    total,
    totalUsage: Object.fromEntries(usage.map(({ meterName, quantity }) => [meterName, Number(quantity)])),
    usage: usage.map(({ meterName, quantity, parts }) => ({
      meterName,
      ...summedQuantity(quantity),
      ...(parts && { parts }),
    })),
  };
}

/** Returns the usage of a period's other payers that no invoice holds yet; undefined where there is none. */
export async function restOf(
  db: Queryable,
  environmentId: string,
  invoice: Payer,
  making: Making,
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
  const whole = { periodId, behind: null, limit: MAX_ADDED_UP + 1 };
  const all = await selectUninvoiced(db, environmentId, whole, making);
  const total = all
    .filter((each) => each.customerId !== customerId)
    .reduce((sum, each) => sum.plus(each.total), new Big(0));
  return { payers, currency, total: total.toFixed(currencyRule(currency).digits) };
}
