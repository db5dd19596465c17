import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  closeCurrentPeriod,
  createAuthorizedAgent,
  startTestApi,
  type TestAccount,
  type TestApi,
} from "./support/api.ts";
import { describeOnEachDatabase, describeOnPostgres } from "./support/databases.ts";
import { deliverStripeEvent, STRIPE_WEBHOOK_SECRET, stripeEvent } from "./support/stripe-events.ts";
import { startStripeStandIn } from "./support/stripe-stand-in.ts";
import { startWebhookReceiver, type WebhookReceiver } from "./support/webhook-receiver.ts";

let receiver: WebhookReceiver;
beforeEach(async () => {
  receiver = await startWebhookReceiver();
});
afterEach(() => receiver.close());

async function createWebhook(api: TestApi, key: string, events: string[]): Promise<string> {
  const body = { url: receiver.url, events };
  const { status, body: answer } = await api.call("POST", "/api/v1/webhooks", { token: key, body });
  expect(status).toBe(201);
  return answer.data.secret;
}

/** Waits until so many have arrived, and then until nothing more is waiting to be sent. */
async function arrived(api: TestApi, count: number) {
  await expect.poll(() => receiver.received.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(count);
  const waiting = () => api.db.query("SELECT 1 FROM webhook_deliveries WHERE delivered_at IS NULL");
  await expect.poll(waiting, { timeout: 20_000 }).toEqual([]);
  return receiver.received;
}

describeOnEachDatabase("a payment on $name", (database) => {
  it("goes from Stripe's event to the invoice, and from there to a webhook, once", async () => {
    const stripe = await startStripeStandIn();
    const api = await startTestApi(database, {
      logLevel: "silent",
      backgroundInterval: 20,
      allowPrivateWebhooks: true,
      stripe: { apiKey: "sk_test_standin", baseUrl: stripe.url, webhookSecret: STRIPE_WEBHOOK_SECRET },
    });
    try {
      const { key } = await api.createAccount();
      const secret = await createWebhook(api, key, ["invoice.paid"]);
      await createWebhook(api, (await api.createAccount()).key, ["invoice.paid"]);
      const meter = { name: "pages", price: { model: "per_unit", unitPrice: "0.5" } };
      await api.call("POST", "/api/v1/meters", { token: key, body: meter });
      const { token } = await createAuthorizedAgent(api, key);
      await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "pages", quantity: 20 } });
      const periodId = await closeCurrentPeriod(api, key);
      const made = await api.call("POST", `/api/v1/billing/periods/${periodId}/invoice`, { token: key });
      const invoice = made.body.data;
      expect(invoice).toMatchObject({ status: "open", total: "10.00" });

      const paid = stripeEvent("invoice.paid", invoice.stripeInvoiceId);
      for (const news of [paid, paid, stripeEvent("invoice.paid", invoice.stripeInvoiceId)]) {
        expect((await deliverStripeEvent(api, news)).status).toBe(200);
      }
      const events = (await arrived(api, 1)).map(({ body, headers }) =>
        new Webhook(secret).verify(body, headers),
      );
      const stored = await api.call("GET", `/api/v1/billing/invoices/${invoice.id}`, { token: key });
      expect(stored.body.data).toEqual({
        ...invoice,
        status: "paid",
        paidAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      });
      expect(events).toEqual([expect.objectContaining({ type: "invoice.paid", data: stored.body.data })]);
    } finally {
      await api.close();
      await stripe.close();
    }
  }, 120_000);
});

describeOnPostgres("two servers over one $name", (database) => {
  it("close each ended period once between them, and tell each webhook of it once", async () => {
    const api = await startTestApi(database, {
      logLevel: "silent",
      backgroundInterval: 10,
      allowPrivateWebhooks: true,
      autoClose: { after: 3_600, maxClockSkew: Number.POSITIVE_INFINITY },
    });
    const peer = await api.startPeer();
    try {
      // An attempt that takes longer than many polls: the other server must leave it alone.
      receiver.state.delay = 50;
      api.setTime("2026-03-31T23:00:00.000Z");
      const accounts: TestAccount[] = [];
      const periodIds: string[] = [];
      for (let count = 0; count < 8; count += 1) {
        const account = await api.createAccount();
        accounts.push(account);
        for (let hook = 0; hook < 7; hook += 1) await createWebhook(api, account.key, ["period.closed"]);
        const current = await api.call("GET", "/api/v1/billing/periods/current", { token: account.key });
        periodIds.push(current.body.data.id);
      }
      api.setTime("2026-04-01T01:00:01.000Z");
      const sent = await arrived(api, 8 * 7);

      const events = sent.map(({ body }): { id: string; data: { id: string; status: string } } =>
        JSON.parse(body),
      );
      expect(sent).toHaveLength(8 * 7);
      for (const periodId of periodIds) {
        const ofPeriod = events.filter(({ data }) => data.id === periodId);
        expect(ofPeriod).toHaveLength(7);
        expect(new Set(ofPeriod.map(({ id }) => id)).size).toBe(1);
        expect(ofPeriod.every(({ data }) => data.status === "closed")).toBe(true);
      }
      for (const { key } of accounts) {
        const closed = await peer.call("GET", "/api/v1/billing/periods?status=closed", { token: key });
        expect(closed.body.data).toHaveLength(1);
      }
    } finally {
      await peer.close();
      await api.close();
    }
  }, 60_000);
});
