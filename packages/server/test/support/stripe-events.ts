import { createHmac, randomUUID } from "node:crypto";
import type { Answer, TestApi } from "./api.ts";

/** The secret of the endpoint that Stripe's events are sent to. */
export const STRIPE_WEBHOOK_SECRET = "whsec_of_the_stand_in";

/** News of an invoice, as Stripe words them. */
export function stripeEvent(type: string, stripeInvoiceId: string, livemode = false): object {
  return {
    id: `evt_${randomUUID().replaceAll("-", "")}`,
    object: "event",
    type,
    livemode,
    data: { object: { id: stripeInvoiceId, object: "invoice" } },
  };
}

/** Delivers an event as Stripe does, signed; `age` is how many seconds ago it was. */
export function deliverStripeEvent(
  api: Pick<TestApi, "call">,
  event: object,
  { secret = STRIPE_WEBHOOK_SECRET, age = 0, now = Date.now() } = {},
): Promise<Answer> {
  const payload = JSON.stringify(event);
  const timestamp = Math.floor(now / 1_000) - age;
  const signature = createHmac("sha256", secret).update(`${timestamp}.${payload}`).digest("hex");
  return api.call("POST", "/webhooks/stripe", {
    body: payload,
    headers: { "stripe-signature": `t=${timestamp},v1=${signature}` },
  });
}

/** News of a customer, as Stripe words them. */
export function stripeCustomerEvent(type: string, object: { id: string }, livemode = false): object {
  const id = `evt_${randomUUID().replaceAll("-", "")}`;
  return { id, object: "event", type, livemode, data: { object } };
}
