import Big from "big.js";
import { ApiError } from "../http/api-error.ts";
import { type Amount, roundToCurrency } from "./pricing.ts";

/**
 * An amount that somebody names, as the currency pays it: never another one.
 *
 * @throws {ApiError} `UNPROCESSABLE` where it is finer than the currency's minor unit.
 */
export function payableAmount(amount: string, currency: string): Amount {
  const payable = roundToCurrency(new Big(amount), currency);
  if (new Big(payable.amount).eq(amount)) return payable;
  throw new ApiError(
    "UNPROCESSABLE",
    `${amount} ${currency} cannot be paid exactly. The nearest amount that can is ${payable.amount}.`,
  );
}
