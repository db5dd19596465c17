import type { Mode } from "@licentric/contract";
import Stripe from "stripe";
import { type StripeSays, stripeOwnerOf } from "../payers/stripe-owner.ts";
import type { Services } from "../services.ts";
import { isMissing, stripeFor } from "./stripe.ts";

/**
 * Asks Stripe whose a customer is that a payer is to be linked to.
 * It is read again before anything is done with it.
 */
export async function readStripeOwner(
  services: Pick<Services, "stripe">,
  { mode }: { readonly mode: Mode },
  stripeCustomerId: string | null | undefined,
): Promise<StripeSays> {
  const stripe = stripeFor(mode, services);
  if (stripe === null || stripeCustomerId === null || stripeCustomerId === undefined) return null;
  try {
    const customer = await stripe.api.customers.retrieve(stripeCustomerId, {}, { maxNetworkRetries: 0 });
    return customer.deleted ? null : stripeOwnerOf(customer.metadata);
  } catch (error) {
    if (isMissing(error)) return null;
    if (error instanceof Stripe.errors.StripeError) return "unanswered";
    throw error;
  }
}
