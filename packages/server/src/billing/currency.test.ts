import { expect, it } from "vitest";
import { currencyRule } from "./currency.ts";

// https://docs.stripe.com/currencies#special-cases

it.each([
  ["a dollar has cents", "usd"],
  ["so has a currency that Stripe may add", "xyz"],
  ["the forint has two decimals in Stripe, though none in a shop", "huf"],
])("%s: %s", (_, currency) => {
  expect(currencyRule(currency)).toEqual({ digits: 2, step: 1, stripeFactor: 1 });
});

it.each("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" "))(
  "%s has no decimals",
  (currency) => {
    expect(currencyRule(currency)).toEqual({ digits: 0, step: 1, stripeFactor: 1 });
  },
);

it.each(["isk", "ugx"])("%s has no decimals, and Stripe is sent hundredths", (currency) => {
  expect(currencyRule(currency)).toEqual({ digits: 0, step: 1, stripeFactor: 100 });
});

it.each(["bhd", "jod", "kwd", "omr", "tnd"])(
  "%s has three decimals, of which the last is zero",
  (currency) => {
    expect(currencyRule(currency)).toEqual({ digits: 3, step: 10, stripeFactor: 1 });
  },
);
