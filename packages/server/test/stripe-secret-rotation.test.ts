import { expect, it } from "vitest";
import { startTestApi } from "./support/api.ts";
import { embedded } from "./support/databases.ts";
import {
  deliverStripeEvent,
  deliverWhileRolled,
  STRIPE_WEBHOOK_SECRET,
  stripeEvent,
} from "./support/stripe-events.ts";

it("takes Stripe's events while the endpoint's secret is rolled, whichever of the two it has", async () => {
  const api = await startTestApi(embedded, {
    logLevel: "silent",
    stripe: { apiKey: "sk_test_x", baseUrl: "http://127.0.0.1:9", webhookSecret: STRIPE_WEBHOOK_SECRET },
  });
  try {
    const event = () => stripeEvent("invoice.paid", "in_of_nobody");
    const other = "whsec_the_other_one";
    expect((await deliverWhileRolled(api, event(), [STRIPE_WEBHOOK_SECRET, other])).status).toBe(200);
    expect((await deliverWhileRolled(api, event(), [other, STRIPE_WEBHOOK_SECRET])).status).toBe(200);
    expect((await deliverWhileRolled(api, event(), [other, "whsec_of_nobody"])).status).toBe(400);
    expect((await deliverStripeEvent(api, event(), { secret: other })).status).toBe(400);
  } finally {
    await api.close();
  }
}, 60_000);
