import type { Mode } from "@licentric/contract";
import Stripe from "stripe";
import { readPayer } from "../payers/payer.ts";
import type { Services } from "../services.ts";
import { isRefusal, stripeFailure, stripeFor } from "./stripe.ts";
import { syncPayer } from "./sync-payer.ts";

/**
 * Brings a change to a payer to Stripe at once, where he is in Stripe. One that Stripe cannot take now stays, the payer
 * is `pending`, and it goes to Stripe before his next invoice.
 *
 * @param customerId null: the account itself.
 * @throws {ApiError} `UNPROCESSABLE` when Stripe refuses the change; it is stored here all the same.
 */
export async function sendPayerChange(
  services: Pick<Services, "db" | "now" | "newId" | "stripe">,
  { environmentId, accountId, mode }: { environmentId: string; accountId: string; mode: Mode },
  customerId: string | null,
): Promise<void> {
  const stripe = stripeFor(mode, services);
  if (stripe === null) return;
  const payer = await readPayer(services.db, environmentId, customerId);
  try {
    await syncPayer({ services, api: stripe.api, accountId }, payer);
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error;
    // Anything else is Stripe's trouble of now: the answer says that the change is pending.
    if (isRefusal(error)) {
      throw stripeFailure(error, "take the change, which is stored here", { customerId });
    }
  }
}
