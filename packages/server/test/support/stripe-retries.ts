import Stripe from "stripe";
import { vi } from "vitest";

/**
 * Lets the `stripe` package repeat a request at once, as often as it would: it waits for half a second and longer
 * before each repetition, and has no option for that.
 */
export function repeatToStripeAtOnce(): void {
  vi.spyOn(Stripe.prototype, "getInitialNetworkRetryDelay").mockReturnValue(0);
  vi.spyOn(Stripe.prototype, "getMaxNetworkRetryDelay").mockReturnValue(0);
}
