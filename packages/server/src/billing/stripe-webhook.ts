import Stripe from "stripe";
import { ApiError } from "../http/api-error.ts";
import type { RouteRegistration } from "../http/on-route.ts";
import type { Services } from "../services.ts";
import type { InvoiceStatus } from "./invoice-status.ts";
import { followStripe } from "./invoices.ts";
import type { StripeConnection } from "./stripe.ts";

/** Where Stripe sends its events. */
export const STRIPE_WEBHOOK_PATH = "/webhooks/stripe";

const TOLERANCE_SECONDS = 300;

/** What Stripe's events say of an invoice. Other events are none of ours. */
const STATUS_OF: Readonly<Record<string, InvoiceStatus>> = {
  "invoice.finalized": "open",
  "invoice.payment_failed": "payment_failed",
  "invoice.paid": "paid",
  "invoice.marked_uncollectible": "uncollectible",
  "invoice.voided": "void",
};

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
        await takeEvent(services, stripe, event, request.id);
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
  if (!Buffer.isBuffer(body) || typeof signature !== "string") throw notFromStripe();
  try {
    const receivedAt = now.getTime();
    return api.webhooks.constructEvent(body, signature, secret, TOLERANCE_SECONDS, undefined, receivedAt);
  } catch (error) {
    // A signed body that is no event of Stripe's is as little of Stripe's as one that is not signed.
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

/** Remembers the event and follows it, in one transaction. */
async function takeEvent(
  { db, now, newId }: Pick<Services, "db" | "now" | "newId">,
  { mode }: StripeConnection,
  event: Stripe.Event,
  requestId: string,
): Promise<void> {
  const status = STATUS_OF[event.type];
  const invoice: unknown = event.data.object;
  if (status === undefined || !isInvoice(invoice)) return;
  if (event.livemode !== (mode === "live")) {
    throw new ApiError(
      "VALIDATION_ERROR",
      `This server has a ${mode} key of Stripe's: the event is of the other mode.`,
    );
  }
  const at = now();
  await db.transaction(async (tx) => {
    const first = await tx.query(
      "INSERT INTO stripe_events (id, received_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id",
      [event.id, at],
    );
    if (first.length === 0) return;
    const rows = await tx.query<{ id: string; environment_id: string }>(
      `SELECT i.id, i.environment_id FROM invoices i JOIN environments e ON e.id = i.environment_id
       WHERE i.stripe_invoice_id = $1 AND e.mode = $2`,
      [invoice.id, mode],
    );
    const making = { newId, now: at, requestId };
    for (const row of rows) await followStripe(tx, row.environment_id, row.id, status, making);
  });
}

function isInvoice(object: unknown): object is { readonly id: string } {
  return typeof object === "object" && object !== null && "id" in object && typeof object.id === "string";
}
