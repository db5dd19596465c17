import Big from "big.js";
import { ApiError } from "../http/api-error.ts";
import type { Payer } from "../payers/payer.ts";
import { currencyRule } from "./currency.ts";
import { type ItemizedInvoice, itemsOf, sumOfItems } from "./invoice-items.ts";
import { minorToDecimal, roundToCurrency } from "./pricing.ts";

// https://docs.stripe.com/changelog/2016-02-22/no-more-than-250-invoice-items
const MOST_ITEMS = 250;
// https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts: eight digits; INR nine, IDR twelve.
const LARGEST_AMOUNT = 99_999_999;
const LARGER_AMOUNTS: Readonly<Record<string, number>> = { inr: 999_999_999, idr: 999_999_999_999 };
// https://docs.stripe.com/api/metadata: 50 keys, of which two are ours; no square brackets in them.
const MOST_METADATA = 48;
// The least charge in each currency that is paid out, as on the same page of Stripe's, in the currency's minor unit.
const LEAST_CHARGE: Readonly<Record<string, number>> = {
  usd: 50,
  aed: 200,
  aud: 50,
  bgn: 100,
  brl: 50,
  cad: 50,
  chf: 50,
  czk: 1_500,
  dkk: 250,
  eur: 50,
  gbp: 30,
  hkd: 400,
  huf: 17_500,
  inr: 50,
  jpy: 50,
  mxn: 1_000,
  myr: 200,
  nok: 300,
  nzd: 50,
  pln: 200,
  ron: 200,
  sek: 300,
  sgd: 50,
  thb: 1_000,
};

/** Properties of a stored invoice that Stripe's limits apply to. */
interface LimitedInvoice extends ItemizedInvoice {
  readonly id: string;
  readonly currency: string;
  readonly total: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly stripe_configured: boolean;
}

/**
 * Refuses an invoice that Stripe is known to refuse, before anything is sent there.
 *
 * @throws {ApiError} `UNPROCESSABLE`, which names the payer, the rule and what to do.
 */
export function requireSendable(invoice: LimitedInvoice, { name, customerId }: Payer): void {
  const { currency, metadata } = invoice;
  const items = itemsOf(invoice);
  const refuse = (rule: string, why: string) => {
    const who = customerId === null ? `The account "${name}"` : `The customer "${name}"`;
    throw new ApiError("UNPROCESSABLE", `${who} cannot be invoiced by Stripe: ${why} Nothing was sent.`, {
      payer: { customerId, name },
      rule,
      invoiceId: invoice.id,
    });
  };
  if (items.length > MOST_ITEMS) {
    refuse(
      "most_items",
      `the invoice has ${items.length} lines, and Stripe takes ${MOST_ITEMS}. Void it, bill its usage by fewer meters or move some agents to another customer from the next period on, and invoice this one outside of Stripe.`,
    );
  }
  const largest = LARGER_AMOUNTS[currency] ?? LARGEST_AMOUNT;
  const { stripeFactor } = currencyRule(currency);
  const most = `${minorToDecimal(Math.floor(largest / stripeFactor), currency)} ${currency.toUpperCase()}`;
  const tooLarge = items.find(({ amountMinor }) => Math.abs(amountMinor) * stripeFactor > largest);
  if (tooLarge !== undefined) {
    const { description, amount, meterName } = tooLarge;
    refuse(
      "largest_amount",
      `the line "${description}" is ${amount}, and Stripe takes at most ${most}. ${
        meterName === null
          ? "Have the invoice paid outside of Stripe."
          : `Check its price (\`licentric meters prices ${meterName}\`); void the invoice and create it again once it is right.`
      }`,
    );
  }
  if (sumOfItems(invoice) * stripeFactor > largest) {
    refuse(
      "largest_total",
      `the total is ${invoice.total}, and Stripe charges at most ${most}. Have it paid outside of Stripe.`,
    );
  }
  if (Object.keys(metadata).length > MOST_METADATA) {
    refuse(
      "most_metadata",
      `its metadata has ${Object.keys(metadata).length} entries, and Stripe takes ${MOST_METADATA} besides our own. Void it and create it again with fewer.`,
    );
  }
  const bracketed = Object.keys(metadata).find((key) => /[[\]]/.test(key));
  if (bracketed !== undefined) {
    refuse(
      "metadata_key",
      `the key "${bracketed}" of its metadata has square brackets, which Stripe does not take. Void it and create it again without.`,
    );
  }
}

/** Properties of a stored invoice that a notice is about. */
interface NotedInvoice extends Pick<LimitedInvoice, "currency" | "total" | "stripe_configured"> {
  readonly period_id: string;
  readonly status: string;
  readonly mismatch_status: string | null;
  readonly mismatch_subtotal: string | null;
}

/** Returns a notice about an invoice that Stripe treats in a way of its own, or has another in place of; undefined for any other. */
export function noticeOf(invoice: NotedInvoice): string | undefined {
  const { stripe_configured, currency, total } = invoice;
  const mismatch = mismatchNotice(invoice);
  if (mismatch !== undefined) return mismatch;
  const least = LEAST_CHARGE[currency];
  const { amountMinor } = roundToCurrency(new Big(total), currency);
  if (!stripe_configured || least === undefined || amountMinor === 0 || amountMinor >= least)
    return undefined;
  return `The total is below what Stripe charges at least, ${minorToDecimal(least, currency)} ${currency.toUpperCase()}: Stripe marks the invoice as paid, and puts the amount on the payer's next invoice.`;
}

/** Says what Stripe has in place of an invoice, and what to do; undefined where it has this one. */
export function mismatchNotice(invoice: NotedInvoice): string | undefined {
  const { status, mismatch_status, mismatch_subtotal, currency } = invoice;
  if (status !== "draft" || mismatch_status === null) return undefined;
  const amount = `${mismatch_subtotal} ${currency.toUpperCase()}`;
  const next =
    mismatch_status === "paid"
      ? "What was paid is taken back in Stripe, by a credit note over all of it. Void this invoice then, and create it again."
      : "Void this invoice, which voids the one in Stripe, and create it again.";
  return `Somebody changed this invoice in Stripe and finalized it there. It is ${mismatch_status} in Stripe with ${amount} and other lines than these, so it counts as not sent here. \`licentric invoice check ${invoice.period_id}\` names the lines. ${next}`;
}
