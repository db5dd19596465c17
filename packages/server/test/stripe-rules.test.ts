import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { closeCurrentPeriod, startTestApi, type TestAccount, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { deliverStripeEvent, STRIPE_WEBHOOK_SECRET, stripeEvent } from "./support/stripe-events.ts";
import { STRIPE_RULES, type StripeRule } from "./support/stripe-rules.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";

it("every rule that the stand-in knows says where Stripe says so", () => {
  for (const { source } of Object.values<StripeRule>(STRIPE_RULES)) {
    expect(source).toMatch(/^https:\/\/(docs|support)\.stripe\.com\/\S+$/);
  }
});

describeOnEachDatabase("Stripe's rules on $name", (database) => {
  let stripe: StripeStandIn;
  let api: TestApi;
  let account: TestAccount;
  beforeAll(async () => {
    stripe = await startStripeStandIn();
    api = await startTestApi(database, {
      logLevel: "silent",
      stripe: { apiKey: "sk_test_standin", baseUrl: stripe.url, webhookSecret: STRIPE_WEBHOOK_SECRET },
    });
  }, 60_000);
  beforeEach(async () => {
    stripe.reset();
    api.setTime(null);
    account = await api.createAccount();
  });
  afterAll(async () => {
    await api.close();
    await stripe.close();
  });

  const post = (path: string, body: object = {}) =>
    api.call("POST", `/api/v1/${path}`, { token: account.key, body });
  const patch = (path: string, body: object) =>
    api.call("PATCH", `/api/v1/${path}`, { token: account.key, body });

  /** A closed period with one unit on each of the meters, which are made with these prices. */
  async function periodWith(prices: readonly string[]): Promise<string> {
    const agent = await post("agents", { name: "a" });
    const names = prices.map((_, index) => `meter_${index}`);
    for (const [index, name] of names.entries()) {
      const price = { model: "per_unit", unitPrice: prices[index] };
      expect((await post("meters", { name, price })).status).toBe(201);
    }
    const events = names.map((meterName) => ({ agentId: agent.body.data.id, meterName }));
    await post("usage/events", { events });
    return closeCurrentPeriod(api, account.key);
  }
  const invoice = (periodId: string, body: object = {}) => post(`billing/periods/${periodId}/invoice`, body);

  it.each([
    ["most_items", Array.from({ length: 251 }, () => "1"), {}, "251 lines"],
    ["largest_amount", ["1000000"], {}, "1000000.00"],
    ["largest_total", ["600000", "600000"], {}, "1200000.00"],
    [
      "most_metadata",
      ["1"],
      { metadata: Object.fromEntries(Array.from({ length: 49 }, (_, index) => [`k${index}`, "v"])) },
      "49 entries",
    ],
    ["metadata_key", ["1"], { metadata: { "po[1]": "7" } }, "po[1]"],
    ["tax_location_required", ["1"], { automaticTax: true }, "country"],
  ] as const)(
    "are known before the first request, and named: %s",
    async (rule, prices, terms, words) => {
      const periodId = await periodWith(prices);
      const refused = await invoice(periodId, terms);
      expect(refused).toMatchObject({
        status: 422,
        body: { code: "UNPROCESSABLE", details: { rule, payer: { customerId: null, name: "Acme" } } },
      });
      expect(refused.body.error).toContain(words);
      expect(refused.body.error).toContain('The account "Acme"');
      expect(stripe.requests).toEqual([]);
    },
    60_000,
  );

  it("allow the largest of everything", async () => {
    const periodId = await periodWith([...Array.from({ length: 249 }, () => "0"), "999999.99"]);
    expect(await invoice(periodId)).toMatchObject({ status: 201, body: { data: { status: "open" } } });
    expect(stripe.all("invoiceitem")).toHaveLength(250);
  }, 60_000);

  it("carry a total below the least charge over, and the answer says so", async () => {
    const made = await invoice(await periodWith(["0.49"]));
    expect(made.body.data).toMatchObject({
      status: "paid",
      notice: expect.stringContaining("at least, 0.50 USD"),
    });
    expect(stripe.all("customer")[0]).toMatchObject({ balance: 49 });
    expect((await invoice(await periodWithMore("0.50"))).body.data).not.toHaveProperty("notice");
  });

  async function periodWithMore(unitPrice: string): Promise<string> {
    const agent = await post("agents", { name: "b" });
    await post("meters", { name: "more", price: { model: "per_unit", unitPrice } });
    await post("usage/events", { events: [{ agentId: agent.body.data.id, meterName: "more" }] });
    return closeCurrentPeriod(api, account.key);
  }

  it("let the payer see the period, the memo and the owner's metadata", async () => {
    api.setTime("2026-05-10T00:00:00.000Z");
    account = await api.createAccount();
    const periodId = await periodWith(["2"]);
    api.setTime(null);
    const made = await invoice(periodId, {
      memo: "Thank you",
      metadata: { "PO number": "7" },
      daysUntilDue: 14,
    });
    expect(made.body.data).toMatchObject({ memo: "Thank you", metadata: { "PO number": "7" } });
    expect(stripe.all("invoice")[0]).toMatchObject({
      collection_method: "send_invoice",
      days_until_due: 14,
      description: "Thank you",
      metadata: { "PO number": "7", licentric_invoice_id: made.body.data.id, licentric_period_id: periodId },
      automatic_tax: { enabled: false },
      auto_advance: false,
    });
    expect(stripe.all("invoiceitem")[0]?.["period"]).toEqual({
      start: Date.UTC(2026, 4, 1) / 1_000,
      end: Date.UTC(2026, 4, 10) / 1_000 - 1,
    });
  });

  it("charge automatically where that is asked for, also a payer without an e-mail address", async () => {
    await patch("account", { email: null });
    const periodId = await periodWith(["2"]);
    expect((await invoice(periodId)).status).toBe(422);
    expect(await invoice(periodId, { collection: "charge_automatically", daysUntilDue: 3 })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining("daysUntilDue") },
    });
    const made = await invoice(periodId, { collection: "charge_automatically" });
    expect(made).toMatchObject({ status: 201, body: { data: { status: "open" } } });
    expect(stripe.all("invoice")[0]).toMatchObject({
      collection_method: "charge_automatically",
      days_until_due: null,
      auto_advance: true,
    });
  });

  it("add tax where that is asked for and the payer's country is known", async () => {
    await patch("account", { address: { country: "DE" } });
    const made = await invoice(await periodWith(["2"]), { automaticTax: true });
    expect(made.status).toBe(201);
    expect(stripe.all("invoice")[0]).toMatchObject({ automatic_tax: { enabled: true } });
  });

  it("make what is said of an invoice final only once it is in Stripe", async () => {
    const periodId = await periodWith(["2"]);
    expect((await invoice(periodId, { automaticTax: true, memo: "one" })).status).toBe(422);
    const made = await invoice(periodId, { automaticTax: false, memo: "two" });
    expect(made.body.data).toMatchObject({ status: "open", memo: "two" });
    expect((await invoice(periodId, { memo: "three" })).body.data).toMatchObject({ memo: "two" });
  });

  it.each([
    "POST /v1/customers",
    "POST /v1/invoices",
    "POST /v1/invoiceitems",
    "POST /v1/invoices/:id/finalize",
  ])("that nobody knew of are told with Stripe's reason, and no outage: %s", async (on) => {
    const periodId = await periodWith(["2"]);
    stripe.addFault({ on, kind: "400" });
    const refused = await invoice(periodId);
    expect(refused).toMatchObject({
      status: 422,
      body: { code: "UNPROCESSABLE", details: { stripeCode: "of_today" } },
    });
    expect(refused.body.error).toContain("It is not as it must be.");
    expect(refused.body.error).not.toContain("repeat the request");
    expect(await invoice(periodId)).toMatchObject({ status: 201, body: { data: { status: "open" } } });
    expect(stripe.all("invoice")).toHaveLength(1);
    expect(stripe.all("invoiceitem")).toHaveLength(1);
  });

  it.each([
    "t=1,v1=",
    "t=1",
    "v1=00",
    "t=,v1=00",
    "t=1,v1=zz",
    `t=1,v1=${"0".repeat(63)}`,
    `t=1,v1=${"0".repeat(65)}`,
    `t=x,v1=${"0".repeat(64)}`,
    `t=1,v1=${"0".repeat(64)},v1=0`,
    "{}",
    ",",
    "=",
  ])("take no event whose signature is %j, and no fault of the server's either", async (signature) => {
    const answer = await api.call("POST", "/webhooks/stripe", {
      body: JSON.stringify(stripeEvent("invoice.paid", "in_1")),
      headers: { "stripe-signature": signature },
    });
    expect(answer).toMatchObject({ status: 400, body: { code: "VALIDATION_ERROR" } });
  });

  it("take an event that is signed", async () => {
    expect((await deliverStripeEvent(api, stripeEvent("invoice.paid", "in_1"))).status).toBe(200);
  });
});
