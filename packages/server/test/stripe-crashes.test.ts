import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { closeCurrentPeriod, startTestApi, type TestAccount, type TestApi } from "./support/api.ts";
import { embedded } from "./support/databases.ts";
import { deliverStripeEvent, STRIPE_WEBHOOK_SECRET, stripeEvent } from "./support/stripe-events.ts";
import { repeatToStripeAtOnce } from "./support/stripe-retries.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";

describe("an invoice whose sending broke off", () => {
  let stripe: StripeStandIn;
  let api: TestApi;
  let account: TestAccount;
  let customerId: string;
  let periodId: string;
  beforeAll(async () => {
    repeatToStripeAtOnce();
    stripe = await startStripeStandIn();
    api = await startTestApi(embedded, {
      logLevel: "silent",
      stripe: {
        apiKey: "sk_test_standin",
        baseUrl: stripe.url,
        timeout: 500,
        webhookSecret: STRIPE_WEBHOOK_SECRET,
      },
    });
  }, 60_000);
  afterAll(async () => {
    await api.close();
    await stripe.close();
  });

  const post = (path: string, body: object = {}) =>
    api.call("POST", `/api/v1/${path}`, { token: account.key, body });
  const patch = (body: object) =>
    api.call("PATCH", `/api/v1/customers/${customerId}`, { token: account.key, body });
  const bill = (terms: object = {}) => post(`billing/periods/${periodId}/invoice`, { customerId, ...terms });
  const differences = async () =>
    (await api.call("GET", `/api/v1/billing/periods/${periodId}/check`, { token: account.key })).body.data
      .differences;
  const told = async () => {
    const rows = await api.db.query<{ body: string }>(
      "SELECT d.body FROM webhook_deliveries d JOIN environments e ON e.id = d.environment_id WHERE e.account_id = $1 ORDER BY d.event_id",
      [account.id],
    );
    return rows.map(({ body }): { type: string; data: object } => JSON.parse(body));
  };
  const theInvoice = () => stripe.all("invoice")[0] ?? expect.unreachable();

  /** A closed period in which a customer used two meters, of one more than is billed. */
  beforeEach(async () => {
    stripe.reset();
    account = await api.createAccount();
    await post("webhooks", { url: "https://hook.example/", events: ["invoice.created", "invoice.paid"] });
    const made = await post("customers", { name: "Zeta", email: "pay@zeta.example" });
    customerId = made.body.data.id;
    const agent = await post("agents", { name: "a", customerId });
    for (const name of ["pages", "words"]) {
      await post("meters", { name, price: { model: "per_unit", unitPrice: "2" } });
      await post("usage/events", { events: [{ agentId: agent.body.data.id, meterName: name }] });
    }
    await post("usage/events", {
      events: [{ agentId: agent.body.data.id, meterName: "pages", quantity: 3 }],
    });
    const correction = { agentId: agent.body.data.id, meterName: "pages", quantity: -3, reason: "blank" };
    expect((await post("billing/adjustments", correction)).status).toBe(201);
    periodId = await closeCurrentPeriod(api, account.key);
  });

  /** Breaks off at the nth request to Stripe, which is done or not, as a process that is killed there. */
  async function breakOffAt(nth: number, kind: "close-after" | "close-before" = "close-after") {
    stripe.addFault({ on: "*", kind, after: nth });
    stripe.addFault({ on: "*", kind: "close-before", after: nth, times: 1_000 });
    const answer = await bill();
    stripe.clearFaults();
    return answer.status;
  }
  /** Breaks off once Stripe has finalized it, and before that is known here. */
  async function loseTheEnd() {
    stripe.addFault({ on: "POST /v1/invoices/:id/finalize", kind: "close-after" });
    stripe.addFault({ on: "POST /v1/invoices/:id/finalize", kind: "close-before", times: 100 });
    expect((await bill()).status).toBe(502);
    stripe.clearFaults();
    expect(theInvoice()).toMatchObject({ status: "open" });
  }

  const requests = Array.from({ length: 7 }, (_, nth) => nth);
  const breaks = requests.flatMap((nth) =>
    (["close-before", "close-after"] as const).map((kind) => ({ nth, kind })),
  );
  it.each(breaks)("is made once, and told of once: $kind at request $nth", async ({ nth, kind }) => {
    expect(await breakOffAt(nth, kind)).toBe(502);
    const news = stripe.all("invoice").filter(({ status }) => status === "open");
    for (const { id } of news) {
      const event = { ...stripeEvent("invoice.finalized", id), data: { object: stripe.objects.get(id) } };
      expect((await deliverStripeEvent(api, event)).status).toBe(200);
    }
    const done = (await bill()).body.data;
    expect(done).toMatchObject({ status: "open", total: "4.00", stripeInvoiceId: theInvoice().id });
    expect(done.hostedInvoiceUrl).toBe(theInvoice()["hosted_invoice_url"]);
    expect(stripe.all("invoice").map(({ total }) => total)).toEqual([400]);
    expect(stripe.all("customer")).toHaveLength(1);
    expect((await told()).map(({ type }) => type)).toEqual(["invoice.created"]);
    expect(await differences()).toEqual([]);
  });

  it("is told of before its payment, also where Stripe's news of that comes before its end", async () => {
    await loseTheEnd();
    stripe.change(theInvoice().id, { status: "paid" });
    const object = stripe.objects.get(theInvoice().id);
    for (const type of ["invoice.paid", "invoice.finalized", "invoice.paid"])
      await deliverStripeEvent(api, { ...stripeEvent(type, theInvoice().id), data: { object } });
    expect((await bill()).body.data).toMatchObject({
      status: "paid",
      hostedInvoiceUrl: theInvoice()["hosted_invoice_url"],
    });
    expect((await told()).map(({ type }) => type)).toEqual(["invoice.created", "invoice.paid"]);
  });

  it.each([
    ["lost the e-mail address", () => patch({ email: null })],
    ["is another Stripe customer", () => patch({ stripeCustomerId: null })],
    ["was deleted in Stripe", async () => stripe.deleteCustomer(stripe.all("customer")[0]?.id ?? "")],
    [
      "was deleted in Stripe and is another one",
      async () => {
        stripe.deleteCustomer(stripe.all("customer")[0]?.id ?? "");
        await patch({ stripeCustomerId: null });
      },
    ],
  ])("is done once Stripe has finalized it, though its payer %s since", async (_, change) => {
    await loseTheEnd();
    await change();
    expect(await bill()).toMatchObject({
      status: 201,
      body: { data: { status: "open", hostedInvoiceUrl: theInvoice()["hosted_invoice_url"] } },
    });
    expect(stripe.all("invoice")).toHaveLength(1);
    expect(await differences()).toEqual([]);
  });

  it("is not done where somebody finalized less than all of it", async () => {
    expect(await breakOffAt(4, "close-before")).toBe(502);
    expect(stripe.all("invoiceitem")).toHaveLength(1);
    stripe.change(theInvoice().id, { status: "open" });
    const refused = await bill();
    expect(refused).toMatchObject({ status: 409, body: { code: "CONFLICT" } });
    expect(refused.body.error).toContain("Void this invoice");
    const { invoiceId } = refused.body.details;
    expect((await post(`billing/invoices/${invoiceId}/void`)).body.data.status).toBe("void");
    expect((await bill()).body.data).toMatchObject({ status: "open", total: "4.00" });
  });

  it.each(["made", "voided"])(
    "can be %s where its Stripe customer went with all test data before its draft was known",
    async (then) => {
      stripe.addFault({ on: "POST /v1/invoices", kind: "close-after" });
      stripe.addFault({ on: "POST /v1/invoices", kind: "close-before", times: 100 });
      const refused = await bill();
      expect(refused.status).toBe(502);
      stripe.clearFaults();
      stripe.deleteAllTestData();
      if (then === "voided") {
        const { invoiceId } = refused.body.details;
        expect((await post(`billing/invoices/${invoiceId}/void`)).body.data).toMatchObject({
          status: "void",
        });
      }
      expect((await bill()).status).toBe(422);
      await patch({ stripeCustomerId: null });
      expect((await bill()).body.data).toMatchObject({ status: "open", total: "4.00" });
      expect(stripe.all("invoice")).toHaveLength(1);
    },
  );

  it("leaves no draft behind when it is voided while our clock is ahead of Stripe's", async () => {
    stripe.setTime(new Date(Date.now() - 60_000));
    stripe.addFault({ on: "POST /v1/invoices", kind: "close-after" });
    stripe.addFault({ on: "POST /v1/invoices", kind: "close-before", times: 100 });
    const { invoiceId } = (await bill()).body.details;
    stripe.clearFaults();
    expect(stripe.all("invoice")).toHaveLength(1);
    expect((await post(`billing/invoices/${invoiceId}/void`)).body.data.status).toBe("void");
    expect(stripe.all("invoice")).toEqual([]);
  });

  it.each([
    ["an empty value", { po: "", run: "1" }],
    ["a key of ours", { licentric_invoice_id: "7", licentric_period_id: "8" }],
  ])("says in Stripe what it says here, also with %s among its metadata", async (_, metadata) => {
    expect((await bill({ metadata })).body.data).toMatchObject({ status: "open", metadata });
    expect(await differences()).toEqual([]);
  });
});
