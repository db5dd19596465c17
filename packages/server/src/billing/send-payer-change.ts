import Stripe from "stripe";
import type { KeyCaller } from "../accounts/caller.ts";
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
  caller: PayersOwner,
  customerId: string | null,
): Promise<void> {
  const error = await trySync(services, caller, customerId);
  // Anything else is Stripe's trouble of now: the answer says that the change is pending.
  if (isRefusal(error)) {
    throw stripeFailure(error, "take the change, which is stored here", { customerId });
  }
}

/**
 * Brings a customer who was created with a Stripe customer in step with it at once. Where that fails he is created all
 * the same, and `pending`: what Stripe refuses is told with his next change or invoice.
 */
export async function sendPayerLink(
  services: Pick<Services, "db" | "now" | "newId" | "stripe">,
  caller: PayersOwner,
  customerId: string,
): Promise<void> {
  await trySync(services, caller, customerId);
}

/** Account that the payers belong to, in one mode. */
type PayersOwner = Pick<KeyCaller, "environmentId" | "accountId" | "mode">;

/** Brings a payer in step; answers the error of Stripe's where that fails. */
async function trySync(
  services: Pick<Services, "db" | "now" | "newId" | "stripe">,
  { environmentId, accountId, mode }: PayersOwner,
  customerId: string | null,
): Promise<Stripe.errors.StripeError | null> {
  const stripe = stripeFor(mode, services);
  if (stripe === null) return null;
  const payer = await readPayer(services.db, environmentId, customerId);
  try {
    await syncPayer({ services, api: stripe.api, accountId }, payer);
    return null;
  } catch (error) {
    if (error instanceof Stripe.errors.StripeError) return error;
    throw error;
  }
}
