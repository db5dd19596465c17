import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { closeCurrentPeriod, createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { deliverStripeEvent, STRIPE_WEBHOOK_SECRET } from "./support/stripe-events.ts";
import { repeatToStripeAtOnce } from "./support/stripe-retries.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";
import { until } from "./support/until.ts";

/** Between two reads of Stripe's events: a minute becomes 60 ms, ten minutes 600. */
const backgroundInterval = 1;

describeOnEachDatabase("events that are read from Stripe, on $name", (database) => {
  let stripe: StripeStandIn;
  beforeAll(async () => {
    repeatToStripeAtOnce();
    stripe = await startStripeStandIn();
  });
  beforeEach(() => stripe.reset());
  afterAll(() => stripe.close());

  const start = (webhookSecret?: string, log: string[] = []) =>
    startTestApi(database, {
      backgroundInterval,
      logLevel: "warn",
      logDestination: { write: (line: string) => void log.push(line) },
      stripe: { apiKey: "sk_test_standin", baseUrl: stripe.url, webhookSecret },
    });

  /** An invoice that Stripe waits to be paid for. */
  async function openInvoice(api: TestApi) {
    const { key } = await api.createAccount();
    const meters = await api.call("GET", "/api/v1/meters?name=api_calls", { token: key });
    await api.call("POST", `/api/v1/meters/${meters.body.data[0].id}/prices`, {
      token: key,
      body: { price: { model: "per_unit", unitPrice: "1" } },
    });
    const { token } = await createAuthorizedAgent(api, key);
    await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls", quantity: 9 } });
    const periodId = await closeCurrentPeriod(api, key);
    const made = await api.call("POST", `/api/v1/billing/periods/${periodId}/invoice`, { token: key });
    const { id, stripeInvoiceId } = made.body.data;
    const read = async () =>
      (await api.call("GET", `/api/v1/billing/invoices/${id}`, { token: key })).body.data;
    const audit = async () =>
      (await api.call("GET", "/api/v1/audit-events?limit=100", { token: key })).body.data
        .filter((entry: { actor: string }) => entry.actor === "stripe")
        .map((entry: { operation: string }) => entry.operation);
    return { key, stripeInvoiceId, read, audit };
  }

  const reads = () => stripe.requests.filter(({ call }) => call === "GET /v1/events").length;
  /** Resolves when everything that is in Stripe by now has been read. */
  async function read(): Promise<void> {
    const before = reads();
    // The first of these may have begun before.
    await until("Stripe's events are read", () => reads() >= before + 2);
  }

  it("an invoice becomes paid without a webhook, once, behind a hundred events of others", async () => {
    const api = await start();
    try {
      const invoice = await openInvoice(api);
      stripe.addEvent("invoice.paid", { id: invoice.stripeInvoiceId, object: "invoice" });
      stripe.addEvent(
        "invoice.payment_failed",
        { id: invoice.stripeInvoiceId, object: "invoice" },
        { age: 60 },
      );
      for (let count = 0; count < 150; count += 1)
        stripe.addEvent("invoice.paid", { id: `in_${count}`, object: "invoice" });
      await until("the invoice is paid", async () => (await invoice.read()).status === "paid");
      await read();
      await read();
      // The failure is older, so it came first.
      expect(await invoice.audit()).toEqual([
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.open",
        "customer.connected",
      ]);
    } finally {
      await api.close();
    }
  });

  it("what a webhook has missed is read, also when later events have arrived; what has arrived counts once", async () => {
    const api = await start(STRIPE_WEBHOOK_SECRET);
    try {
      const [missed, arrived] = [await openInvoice(api), await openInvoice(api)];
      stripe.addEvent("invoice.paid", { id: missed.stripeInvoiceId, object: "invoice" }, { age: 1_800 });
      const id = stripe.addEvent("invoice.paid", { id: arrived.stripeInvoiceId, object: "invoice" });
      expect(await deliverStripeEvent(api, stripe.objects.get(id) ?? {})).toMatchObject({ status: 200 });
      expect(await arrived.read()).toMatchObject({ status: "paid" });
      await until("the missed invoice is paid", async () => (await missed.read()).status === "paid");
      expect(await arrived.audit()).toEqual(["invoice.paid", "invoice.open", "customer.connected"]);
    } finally {
      await api.close();
    }
  });

  it("an event of a customer whom Stripe does not show is tried again, and holds up no other", async () => {
    const api = await start();
    try {
      const invoice = await openInvoice(api);
      const [customer] = stripe.all("customer");
      if (customer === undefined) throw new Error("no customer was made");
      stripe.addFault({ on: "GET /v1/customers/:id", kind: "500", times: 6 });
      stripe.change(customer.id, { email: "new@acme.example" });
      stripe.addEvent("customer.updated", { id: customer.id, object: "customer" }, { age: 30 });
      stripe.addEvent("invoice.paid", { id: invoice.stripeInvoiceId, object: "invoice" });
      await until("the invoice is paid", async () => (await invoice.read()).status === "paid");
      const email = async () =>
        (await api.call("GET", "/api/v1/account", { token: invoice.key })).body.data.email;
      await until("the payer has Stripe's address", async () => (await email()) === "new@acme.example");
      const asked = () => stripe.requests.filter(({ call }) => call === "GET /v1/customers/:id").length;
      await read();
      const before = asked();
      await read();
      expect(asked()).toBe(before);
    } finally {
      await api.close();
    }
  });

  it("a key that may not read them is told of once beside a webhook, and again and again without one", async () => {
    stripe.addFault({ on: "GET /v1/events", kind: "403", times: 1_000 });
    const logs = { with: [] as string[], without: [] as string[] };
    const [beside, alone] = [
      await start(STRIPE_WEBHOOK_SECRET, logs.with),
      await start(undefined, logs.without),
    ];
    const told = (log: string[]) => log.filter((line) => line.includes("without read access to Events"));
    try {
      await until("both have told", () => told(logs.with).length > 0 && told(logs.without).length > 0);
      expect(JSON.parse(told(logs.with)[0] ?? "")).toMatchObject({ level: 40 });
      expect(JSON.parse(told(logs.without)[0] ?? "")).toMatchObject({ level: 50 });
      await read();
      expect(told(logs.with)).toHaveLength(1);
    } finally {
      await beside.close();
      await alone.close();
    }
  });
});
