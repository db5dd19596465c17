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
  return sendSigned(api, payload, timestamp, [secret]);
}

/** Delivers an event as Stripe does while its endpoint's secret is being rolled: signed with both. */
export function deliverWhileRolled(
  api: Pick<TestApi, "call">,
  event: object,
  secrets: readonly [before: string, after: string],
): Promise<Answer> {
  return sendSigned(api, JSON.stringify(event), Math.floor(Date.now() / 1_000), secrets);
}

function sendSigned(
  api: Pick<TestApi, "call">,
  payload: string,
  timestamp: number,
  secrets: readonly string[],
): Promise<Answer> {
  const signatures = secrets.map((secret) =>
    createHmac("sha256", secret).update(`${timestamp}.${payload}`).digest("hex"),
  );
  const header = [`t=${timestamp}`, ...signatures.map((signature) => `v1=${signature}`)].join(",");
  return api.call("POST", "/webhooks/stripe", { body: payload, headers: { "stripe-signature": header } });
}

/** News of a customer, as Stripe words them. */
export function stripeCustomerEvent(type: string, object: { id: string }, livemode = false): object {
  const id = `evt_${randomUUID().replaceAll("-", "")}`;
  return { id, object: "event", type, livemode, data: { object } };
}
