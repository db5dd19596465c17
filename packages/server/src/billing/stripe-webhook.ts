import Stripe from "stripe";
import { ApiError } from "../http/api-error.ts";
import type { RouteRegistration } from "../http/on-route.ts";
import type { StripeConnection } from "./stripe.ts";
import { takeStripeEvent } from "./take-stripe-event.ts";

/** Path to which Stripe sends its events. */
export const STRIPE_WEBHOOK_PATH = "/webhooks/stripe";

const TOLERANCE_SECONDS = 300;

/** A time, and a signature of each scheme; `v1` is an HMAC-SHA256 in hex (https://docs.stripe.com/webhooks/signature). */
const SIGNATURE = /^t=\d{1,12}(?=(?:,\w+=\w+)*,v1=)(?:,(?:v1=[0-9a-f]{64}|(?!v1=)\w+=\w+))+$/;

/**
 * Takes Stripe's events. The body is checked as it arrived; an event counts once; one that comes late cannot take an
 * invoice back, because `paid` and `void` are final and nothing leads from them; and an event of the other mode
 * than the key's is refused.
 */
export const stripeWebhookRoutes: RouteRegistration[] = [
  (app, services) => {
    app.register(async (scope) => {
      scope.removeContentTypeParser("application/json");
      scope.addContentTypeParser("application/json", { parseAs: "buffer" }, (_, body, done) =>
        done(null, body),
      );
      scope.post(STRIPE_WEBHOOK_PATH, async (request) => {
        const { stripe } = services;
        if (stripe === null || stripe.webhookSecret === null) {
          throw new ApiError(
            "NOT_FOUND",
            "This server takes no events of Stripe's. Set STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET and start it again.",
          );
        }
        const signature = request.headers["stripe-signature"];
        const event = verifiedEvent(stripe, stripe.webhookSecret, request.body, signature, services.now());
        await takeStripeEvent(services, stripe, event, request.id);
        return { data: { received: true } };
      });
    });
  },
];

function verifiedEvent(
  { api }: StripeConnection,
  secret: string,
  body: unknown,
  signature: string | string[] | undefined,
  now: Date,
): Stripe.Event {
  if (!Buffer.isBuffer(body) || typeof signature !== "string" || !SIGNATURE.test(signature)) {
    throw notFromStripe();
  }
  try {
    const receivedAt = now.getTime();
    return api.webhooks.constructEvent(body, signature, secret, TOLERANCE_SECONDS, undefined, receivedAt);
  } catch (error) {
    // A signed body that is not an event of Stripe's is as little of Stripe's as one that is not signed.
    if (error instanceof Stripe.errors.StripeError || error instanceof SyntaxError) throw notFromStripe();
    throw error;
  }
}

function notFromStripe(): ApiError {
  return new ApiError(
    "VALIDATION_ERROR",
    "The request is not signed by Stripe with STRIPE_WEBHOOK_SECRET, or is older than five minutes.",
  );
}
