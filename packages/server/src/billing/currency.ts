/** Rules for rounding and writing a currency's amounts. */
export interface CurrencyRule {
  /** Decimals of the minor unit: 2 for cents, 0 for yen. */
  readonly digits: number;
  /** Amounts are whole multiples of this many minor units. */
  readonly step: number;
  /** Stripe's smallest unit is the minor unit divided by this. */
  readonly stripeFactor: number;
}

// ISO 4217 by way of Stripe's list of special cases: `Intl` rounds by local custom and not by ISO, and an amount
// that Stripe would round again would no longer be the amount that we showed.
const ZERO_DECIMAL = new Set("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" "));
const ZERO_DECIMAL_SENT_IN_HUNDREDTHS = new Set(["isk", "ugx"]);
const THREE_DECIMAL_IN_STEPS_OF_TEN = new Set(["bhd", "jod", "kwd", "omr", "tnd"]);

/** The rule of a currency given by its lower-case ISO 4217 code. */
export function currencyRule(currency: string): CurrencyRule {
  if (ZERO_DECIMAL.has(currency)) return { digits: 0, step: 1, stripeFactor: 1 };
  if (ZERO_DECIMAL_SENT_IN_HUNDREDTHS.has(currency)) return { digits: 0, step: 1, stripeFactor: 100 };
  if (THREE_DECIMAL_IN_STEPS_OF_TEN.has(currency)) return { digits: 3, step: 10, stripeFactor: 1 };
  return { digits: 2, step: 1, stripeFactor: 1 };
}
