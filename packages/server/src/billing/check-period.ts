import type { CheckPeriodQuery, PeriodCheck, PeriodDifference } from "@licentric/contract";
import type Stripe from "stripe";
import type { z } from "zod";
import type { Environment } from "../accounts/accounts.ts";
import { checkTotals, countArchived } from "../metering/check-totals.ts";
import type { Services } from "../services.ts";
import { type Database, type Queryable, uuidParam } from "../store/database.ts";
import { freeOf, selectFree } from "./allowances.ts";
import { applyTerms } from "./charges.ts";
import { shownQuantity } from "./invoice-lines.ts";
import { termDifferences } from "./invoice-terms.ts";
import { type InvoiceRow, invoicesOfPeriod, requireClosedPeriod } from "./invoices.ts";
import {
  HAS_LINE,
  partsOf,
  type QuantityParts,
  type QuantityRow,
  quantitiesOfPeriod,
  SUMMED_PARTS,
  shownParts,
} from "./period-quantities.ts";
import { isMissing, type StripeConnection, stripeFailure } from "./stripe.ts";
import { lineDifferences } from "./stripe-invoice.ts";
import { type PayerTerms, selectTerms, termsOfPeriod } from "./terms-of-period.ts";

/** Payers of one request: each is two requests to Stripe. */
const PAYERS_AT_ONCE = 25;

interface PayerTotals {
  readonly customer_id: string | null;
  readonly quantities: Readonly<Record<string, QuantityRow & { readonly meter_id: string }>>;
}

/**
 * Proves a closed period's books: the events add up to the totals, these with their adjustments are what the invoices'
 * lines say and what was carried over, and the lines are what is in Stripe. Of events that are archived, the sums that were kept of them count. Events and totals are compared with the first payers; then it goes on payer by payer.
 *
 * @throws {ApiError} `NOT_FOUND`, `CONFLICT` while the period is open, `UPSTREAM_ERROR` where Stripe does not answer.
 */
export async function checkPeriod(
  { db }: Pick<Services, "db">,
  stripe: StripeConnection | null,
  environment: Environment,
  periodId: string,
  { cursor }: z.output<typeof CheckPeriodQuery>,
): Promise<PeriodCheck> {
  const period = await requireClosedPeriod(db, environment.id, periodId);
  const differences =
    cursor === undefined
      ? [
          ...(await compareEvents(db, { environmentId: environment.id, periodId: period.id })),
          ...(await compareCarried(db, environment.id, period.id)),
        ]
      : [];
  const payers = await selectTotals(db, period.id, cursor);
  const page = payers.slice(0, PAYERS_AT_ONCE);
  let checked = 0;
  const ids = page.map((payer) => payer.customer_id);
  const invoices = await invoicesOfPeriod(db, period.id, ids);
  const terms = await selectTerms(db, period.id, ids);
  for (const payer of page) {
    const invoice = invoices.find(({ customer_id }) => customer_id === payer.customer_id);
    differences.push(...compareLines(payer, invoice));
    if (invoice === undefined) continue;
    differences.push(...(await compareFree(db, payer, invoice)));
    differences.push(...compareTerms(invoice, terms.get(payer.customer_id) ?? {}));
    checked += 1;
    differences.push(...(await compareWithStripe(stripe, invoice)));
  }
  const more = payers.length > PAYERS_AT_ONCE;
  return {
    periodId: period.id,
    invoices: checked,
    archivedEvents: await countArchived(db, { environmentId: environment.id, periodId: period.id }),
    differences,
    nextCursor: more ? (page.at(-1)?.customer_id ?? null) : null,
  };
}

async function compareEvents(
  db: Database,
  of: { environmentId: string; periodId: string },
): Promise<PeriodDifference[]> {
  return (await checkTotals(db, of)).map(({ customerId, meterName, agentId, day, kept, computed }) => ({
    kind: "events",
    customerId,
    invoiceId: null,
    meterName,
    what: `agent ${agentId} on ${day}`,
    expected: `${computed.quantity} in ${computed.eventCount} events`,
    found: `${kept.quantity} in ${kept.eventCount} events`,
  }));
}

/** The next period must have been given what this one has left. */
async function compareCarried(
  db: Queryable,
  environmentId: string,
  periodId: string,
): Promise<PeriodDifference[]> {
  const rows = await db.query<{
    customer_id: string | null;
    meter_name: string;
    expected: string;
    found: string;
  }>(
    `SELECT b.customer_id, m.name AS meter_name, sum(b.expected)::text AS expected, sum(b.found)::text AS found
     FROM (
       SELECT q.customer_id, q.meter_id, q.carried_over AS expected, 0 AS found
       FROM ${quantitiesOfPeriod("$2::uuid")} q
       UNION ALL
       SELECT customer_id, meter_id, 0, quantity FROM carried_adjustments
       WHERE environment_id = $1 AND from_period_id = $2
     ) b JOIN meters m ON m.id = b.meter_id
     GROUP BY b.customer_id, m.name HAVING sum(b.expected) <> sum(b.found)
     ORDER BY m.name, b.customer_id`,
    [environmentId, periodId],
  );
  return rows.map(({ customer_id: customerId, meter_name: meterName, expected, found }) => ({
    kind: "carried",
    customerId,
    invoiceId: null,
    meterName,
    what: "carried over to the next period",
    expected,
    found,
  }));
}

function selectTotals(db: Queryable, periodId: string, cursor: string | undefined): Promise<PayerTotals[]> {
  return db.query<PayerTotals>(
    `SELECT t.customer_id,
       coalesce(jsonb_object_agg(m.name, to_jsonb(t)) FILTER (WHERE m.name IS NOT NULL), '{}'::jsonb) AS quantities
     FROM (
       SELECT q.customer_id, q.meter_id, ${SUMMED_PARTS} FROM ${quantitiesOfPeriod("$1")} q
       WHERE ($2::uuid IS NULL OR q.customer_id IS NULL OR q.customer_id > $2) AND ${HAS_LINE}
       GROUP BY q.customer_id, q.meter_id
       UNION ALL
       SELECT customer_id, NULL, NULL, NULL, NULL, NULL, NULL FROM ${termsOfPeriod("$1")} agreed
       WHERE kind = 'minimum' AND ($2::uuid IS NULL OR customer_id > $2)
     ) t LEFT JOIN meters m ON m.id = t.meter_id
     GROUP BY t.customer_id ORDER BY t.customer_id NULLS LAST LIMIT $3`,
    [periodId, cursor === undefined ? null : uuidParam(cursor), PAYERS_AT_ONCE + 1],
  );
}

function compareLines(payer: PayerTotals, invoice: InvoiceRow | undefined): PeriodDifference[] {
  const { customer_id: customerId, quantities } = payer;
  if (invoice === undefined) {
    const used = Object.entries(quantities).map(([meterName, { quantity }]) => `${quantity} ${meterName}`);
    return [
      {
        kind: "uninvoiced",
        customerId,
        invoiceId: null,
        meterName: null,
        what: used.length === 0 ? "a minimum without an invoice" : "usage without an invoice",
        expected: used.join(", ") || "an invoice",
        found: "0",
      },
    ];
  }
  const billed = new Map(invoice.lines.map((line) => [line.meterName, line]));
  return [...new Set([...billed.keys(), ...Object.keys(quantities)])].flatMap((meterName) => {
    const [row, line] = [quantities[meterName], billed.get(meterName)];
    const [expected, found] = [row?.quantity ?? "0", line === undefined ? "0" : shownQuantity(line)];
    if (expected !== found) return [differenceOf(invoice, "lines", meterName, "quantity", expected, found)];
    const [made, told] = [shownOrNone(row && partsOf(row)), shownOrNone(line?.parts)];
    return made === told ? [] : [differenceOf(invoice, "lines", meterName, "parts", made, told)];
  });
}

/** Counts what was free of charge again, by the allowance that the line was made with. */
async function compareFree(
  db: Queryable,
  { customer_id: customerId, quantities }: PayerTotals,
  invoice: InvoiceRow,
): Promise<PeriodDifference[]> {
  const lines = invoice.lines.flatMap(({ meterName, allowance }) => {
    const of = quantities[meterName];
    return allowance === undefined || of === undefined
      ? []
      : [{ meterName, allowance, customerId, meterId: of.meter_id, quantity: of.quantity }];
  });
  const free = await selectFree(db, invoice.period_id, lines);
  return lines.flatMap(({ meterName, allowance, quantity }, index) => {
    const expected = String(freeOf(quantity, free[index] ?? 0n));
    if (expected === allowance.free) return [];
    return [differenceOf(invoice, "lines", meterName, "free units", expected, allowance.free)];
  });
}

/** Compares discount, minimum and total with what was agreed as the period was closed, and with the lines. */
function compareTerms(invoice: InvoiceRow, terms: PayerTerms): PeriodDifference[] {
  const agreed = applyTerms(invoice.lines, terms, invoice.currency);
  const compared = [
    ["discount", agreed.discount?.amount, invoice.discount?.amount],
    ["minimum", agreed.minimum?.amount, invoice.minimum?.amount],
    ["total", agreed.total, invoice.total],
  ] as const;
  return compared.flatMap(([what, expected = "none", found = "none"]) =>
    expected === found ? [] : [differenceOf(invoice, "lines", null, what, expected, found)],
  );
}

function shownOrNone(parts: QuantityParts | undefined): string {
  return parts === undefined ? "not adjusted" : shownParts(parts);
}

function differenceOf(
  { id, customer_id }: InvoiceRow,
  kind: PeriodDifference["kind"],
  meterName: string | null,
  what: string,
  expected: string | number,
  found: string | number,
): PeriodDifference {
  return {
    kind,
    customerId: customer_id,
    invoiceId: id,
    meterName,
    what,
    expected: String(expected),
    found: String(found),
  };
}

/**
 * An invoice that is not sent is a difference where Stripe is connected: nobody is asked to pay it. One that is issued here
 * is not Stripe's.
 */
async function compareWithStripe(
  stripe: StripeConnection | null,
  invoice: InvoiceRow,
): Promise<PeriodDifference[]> {
  const { stripe_invoice_id: stripeInvoiceId } = invoice;
  if (invoice.number !== null) return [];
  if (stripe === null) {
    return stripeInvoiceId === null
      ? []
      : [
          differenceOf(
            invoice,
            "stripe",
            null,
            "connection",
            stripeInvoiceId,
            "no Stripe key on this server",
          ),
        ];
  }
  const notSent = [differenceOf(invoice, "stripe", null, "status", "sent", "not sent")];
  if (stripeInvoiceId === null) return notSent;
  try {
    const found = await stripe.api.invoices.retrieve(stripeInvoiceId);
    if (invoice.status === "draft" && found.status === "draft") return notSent;
    const lines = await lineDifferences(stripe.api, invoice, found);
    return [
      ...compareStatus(invoice, found),
      ...termDifferences(invoice, found).map(({ what, expected, found: is }) =>
        differenceOf(invoice, "stripe", null, what, expected, is),
      ),
      ...lines.map(({ meterName, what, expected, found: is }) =>
        differenceOf(invoice, "stripe", meterName, what, expected, is),
      ),
    ];
  } catch (error) {
    if (isMissing(error)) {
      return [differenceOf(invoice, "stripe", null, "invoice", stripeInvoiceId, "deleted in Stripe")];
    }
    throw stripeFailure(error, "show the invoice", { invoiceId: invoice.id });
  }
}

function compareStatus(invoice: InvoiceRow, found: Stripe.Invoice): PeriodDifference[] {
  const theirs = found.status ?? "none";
  // Of a payment that failed, Stripe says that the invoice is open.
  const ours = invoice.status === "payment_failed" ? "open" : invoice.status;
  return ours === theirs ? [] : [differenceOf(invoice, "stripe", null, "status", ours, theirs)];
}
