import type { Discount, InvoiceDiscount, InvoiceLine, InvoiceMinimum } from "@licentric/contract";
import Big from "big.js";
import type { Queryable } from "../store/database.ts";
import { selectBilledUsage } from "./billed-usage.ts";
import { type BilledUsage, invoiceLines } from "./invoice-lines.ts";
import { type Amount, roundToCurrency, sumAmounts } from "./pricing.ts";
import { type PayerTerms, selectTerms } from "./terms-of-period.ts";

/** The parts of an invoice beside its lines: each is there only where it changes the total. */
export interface AppliedTerms {
  readonly discount: InvoiceDiscount | null;
  readonly minimum: InvoiceMinimum | null;
}

/** All that a payer is charged for a period. */
export interface Charges extends AppliedTerms {
  readonly usage: readonly BilledUsage[];
  readonly lines: InvoiceLine[];
  /** Decimal text: the lines, less the discount, filled up to the minimum. */
  readonly total: string;
}

/**
 * Computes what is taken off the sum of lines, and what fills the rest up. A discount takes at most the whole sum and is
 * rounded once, half up; where it changes nothing, there is none. The minimum comes after it.
 */
export function applyTerms(
  lines: readonly InvoiceLine[],
  { discount, minimum }: PayerTerms,
  currency: string,
): AppliedTerms & Pick<Charges, "total"> {
  const subtotal = new Big(sumAmounts(lines, currency).amount);
  const off = roundToCurrency(
    discount === undefined ? new Big(0) : discounted(discount.discount, subtotal),
    currency,
  );
  const rest = subtotal.minus(off.amount);
  const least = new Big(
    minimum === undefined ? 0 : roundToCurrency(new Big(minimum.minimum), currency).amount,
  );
  const added = roundToCurrency(rest.lt(least) ? least.minus(rest) : new Big(0), currency);
  return {
    discount:
      discount === undefined || isNothing(off)
        ? null
        : { ...discount, description: discountText(discount, currency), ...off },
    minimum:
      minimum === undefined || isNothing(added)
        ? null
        : {
            ...minimum,
            description: `Up to the minimum of ${minimum.minimum} ${currency.toUpperCase()}`,
            ...added,
          },
    total: roundToCurrency(rest.plus(added.amount), currency).amount,
  };
}

function discounted(discount: Discount, subtotal: Big): Big {
  if (discount.model === "percent") return subtotal.times(discount.percent).times("0.01");
  const amount = new Big(discount.amount);
  return amount.gt(subtotal) ? subtotal : amount;
}

function discountText({ discount, reason }: NonNullable<PayerTerms["discount"]>, currency: string): string {
  const off =
    discount.model === "percent" ? `${discount.percent} %` : `${discount.amount} ${currency.toUpperCase()}`;
  return `Discount of ${off}: ${reason}`;
}

function isNothing({ amount }: Amount): boolean {
  return new Big(amount).eq(0);
}

/**
 * Computes what a period charges each of these payers (null: the account itself). Invoices, previews and what is not
 * invoiced yet all come from here, so that they say the same.
 *
 * @param closing the moment at which a period that is open is taken to be closed.
 */
export async function selectCharges(
  tx: Queryable,
  period: { readonly id: string; readonly currency: string },
  payers: readonly (string | null)[],
  closing: Date,
): Promise<(payer: string | null) => Charges> {
  const { id, currency } = period;
  const billed = await selectBilledUsage(tx, id, payers, closing);
  const terms = await selectTerms(tx, id, payers);
  return (payer) => {
    const usage = billed.get(payer) ?? [];
    const lines = invoiceLines(usage, currency);
    return { usage, lines, ...applyTerms(lines, terms.get(payer) ?? {}, currency) };
  };
}

/** The properties that discount and minimum give an invoice, and a preview of it, that is answered. */
export function shownTerms(
  { discount, minimum }: AppliedTerms,
  lines: readonly InvoiceLine[],
  currency: string,
) {
  if (discount === null && minimum === null) return {};
  return {
    subtotal: sumAmounts(lines, currency).amount,
    ...(discount && { discount }),
    ...(minimum && { minimum }),
  };
}
