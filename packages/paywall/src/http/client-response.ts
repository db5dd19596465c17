import type { Receipt } from "../billing/charge-context.ts";
import { type Charged, chargeResultOf, receiptOfCharged } from "../call/charge.ts";
import type { PaywallCore } from "../paywall-core.ts";
import { refusalResponse } from "./refusal-response.ts";
import { WholeResponse } from "./whole-response.ts";

/** Header of the receipt of a billed request, as JSON. */
const RECEIPT_HEADER = "licentric-receipt";

/** The response that a client is sent. */
export type ClientResponse =
  /** Its handler's own, with these headers besides. */
  | { readonly status: "own"; readonly headers: readonly (readonly [name: string, value: string])[] }
  /** Another one: a refusal, or the response that is kept of the first request. */
  | { readonly status: "replaced"; readonly response: WholeResponse }
  /** None: the request was cancelled, and nobody gets its result. */
  | { readonly status: "cancelled" };

/**
 * Returns what a client is sent once its request was charged for.
 *
 * @param where - the adapter, for an error's sentence
 * @throws what the handler threw
 */
export function clientResponseOf(
  { receipts }: Pick<PaywallCore, "receipts">,
  charged: Charged,
  where: string,
): ClientResponse {
  if (charged.status === "ran" && charged.settlement.status === "cancelled") return { status: "cancelled" };
  const chargeResult = chargeResultOf(charged);
  if ("refusal" in chargeResult)
    return { status: "replaced", response: refusalResponse(chargeResult.refusal) };
  const headers = receipts ? receiptHeaders(receiptOfCharged(charged)) : [];
  if (charged.status === "ran") return { status: "own", headers };
  const kept = chargeResult.result;
  if (!(kept instanceof WholeResponse))
    throw new TypeError(`${where}: a repetition was given what is no response`);
  const response =
    headers.length === 0
      ? kept
      : new WholeResponse({ ...kept, headers: [...kept.headers, ...headers] }, kept.body);
  return { status: "replaced", response };
}

function receiptHeaders(receipt: Receipt | undefined): [name: string, value: string][] {
  return receipt === undefined ? [] : [[RECEIPT_HEADER, JSON.stringify(receipt)]];
}
