import Stripe from "stripe";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { closeCurrentPeriod, startTestApi, type TestAccount, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { deliverStripeEvent, STRIPE_WEBHOOK_SECRET, stripeEvent } from "./support/stripe-events.ts";
import { repeatToStripeAtOnce } from "./support/stripe-retries.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";

describeOnEachDatabase("a draft that somebody changed and finalized in Stripe, on $name", (database) => {
  let stripe: StripeStandIn;
  let api: TestApi;
  let account: TestAccount;
  let person: Stripe;
  let periodId: string;
  beforeAll(async () => {
    repeatToStripeAtOnce();
    stripe = await startStripeStandIn();
    api = await startTestApi(database, {
      logLevel: "silent",
      stripe: {
        apiKey: "sk_test_standin",
        baseUrl: stripe.url,
        timeout: 500,
        webhookSecret: STRIPE_WEBHOOK_SECRET,
      },
    });
    const { hostname, port } = new URL(stripe.url);
    person = new Stripe("sk_test_person", { host: hostname, port: Number(port), protocol: "http" });
  }, 60_000);
  afterAll(async () => {
    await api.close();
    await stripe.close();
  });

  const get = async (path: string) =>
    (await api.call("GET", `/api/v1/${path}`, { token: account.key })).body.data;
  const post = (path: string, body: object = {}) =>
    api.call("POST", `/api/v1/${path}`, { token: account.key, body });
  const bill = () => post(`billing/periods/${periodId}/invoice`);
  const check = async () => (await get(`billing/periods/${periodId}/check`)).differences;
  const theInvoice = () => stripe.all("invoice")[0] ?? expect.unreachable();
  const ours = async () => (await get(`billing/invoices?periodId=${periodId}`))[0] ?? expect.unreachable();
  const news = async (type: string) => {
    const event = stripeEvent(`invoice.${type}`, theInvoice().id);
    return (await deliverStripeEvent(api, { ...event, data: { object: theInvoice() } })).status;
  };
  const told = async () => {
    const rows = await api.db.query<{ body: string }>(
      "SELECT d.body FROM webhook_deliveries d JOIN environments e ON e.id = d.environment_id WHERE e.account_id = $1 ORDER BY d.event_id",
      [account.id],
    );
    return rows.map(({ body }): string => JSON.parse(body).type);
  };
  const audited = async () => {
    const entries: { operation: string }[] = await get("audit-events?actor=stripe&limit=100");
    return entries
      .map(({ operation }) => operation)
      .filter((operation) => operation.startsWith("invoice."))
      .reverse();
  };

  /** A closed period, 2.00 of each of two meters, whose invoice is left as a draft in Stripe. */
  beforeEach(async () => {
    stripe.reset();
    account = await api.createAccount();
    await api.call("PATCH", "/api/v1/account", { token: account.key, body: { email: "pay@zeta.example" } });
    await post("webhooks", { url: "https://hook.example/", events: ["invoice.created", "invoice.paid"] });
    const agent = await post("agents", { name: "a" });
    for (const name of ["pages", "words"]) {
      await post("meters", { name, price: { model: "per_unit", unitPrice: "2" } });
      await post("usage/events", { events: [{ agentId: agent.body.data.id, meterName: name }] });
    }
    periodId = await closeCurrentPeriod(api, account.key);
    stripe.addFault({ on: "POST /v1/invoices/:id/finalize", kind: "close-before", times: 10 });
    expect((await bill()).status).toBe(502);
    stripe.clearFaults();
    expect(theInvoice()).toMatchObject({ status: "draft", total: 400 });
  });

  const itemOf = (index: number) => stripe.all("invoiceitem")[index]?.id ?? expect.unreachable();
  const change = (amounts: readonly [pages: number, words: number]) => () => {
    for (const [index, amount] of amounts.entries()) stripe.change(itemOf(index), { amount });
  };
  const addLine = async () => {
    const { id: invoice, customer, currency } = theInvoice();
    await person.invoiceItems.create({ invoice, customer, currency, amount: 100, description: "Set-up" });
  };
  const finalize = async () => {
    await person.invoices.finalizeInvoice(theInvoice().id);
  };

  const changes: [what: string, change: () => unknown, there: string, lines: object[]][] = [
    ["added a line", addLine, "5.00", [{ meterName: null, expected: "none", found: "100" }]],
    [
      "changed an amount",
      change([250, 200]),
      "4.50",
      [{ meterName: "pages", expected: "200", found: "250" }],
    ],
    [
      "took a line away",
      () => stripe.objects.delete(itemOf(1)),
      "2.00",
      [{ meterName: "words", expected: "200", found: "none" }],
    ],
    [
      "moved an amount to another line",
      change([150, 250]),
      "4.00",
      [
        { meterName: "pages", expected: "200", found: "150" },
        { meterName: "words", expected: "200", found: "250" },
      ],
    ],
  ];
  it.each(changes)("is not taken for ours: %s", async (_, alter, there, lines) => {
    await alter();
    await finalize();
    expect(await news("finalized")).toBe(200);
    expect(await news("finalized")).toBe(200);
    const { id, status, notice } = await ours();
    expect(status).toBe("draft");
    expect(notice).toContain(`${there} USD`);
    expect(notice).toContain("open");
    expect(notice).toContain("Void this invoice");
    expect(await told()).toEqual([]);
    expect(await audited()).toEqual(["invoice.mismatched"]);
    expect(await check()).toEqual([
      expect.objectContaining({
        kind: "stripe",
        invoiceId: id,
        what: "status",
        expected: "draft",
        found: "open",
      }),
      ...lines.map((line) => expect.objectContaining({ kind: "stripe", invoiceId: id, ...line })),
    ]);
    expect(await get(`billing/uninvoiced?periodId=${periodId}`)).toMatchObject([{ invoiceId: id }]);
    expect(await bill()).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining("Void this") },
    });

    expect((await post(`billing/invoices/${id}/void`)).body.data).toMatchObject({ status: "void" });
    expect((await get(`billing/invoices/${id}`)).notice).toBeUndefined();
    expect((await bill()).body.data).toMatchObject({ status: "open", total: "4.00" });
    expect(stripe.all("invoice").map((one) => one["status"])).toEqual(["void", "open"]);
    expect(await told()).toEqual(["invoice.created"]);
    expect(await check()).toEqual([]);
  });

  it("is found when it is sent again, where no event came", async () => {
    await addLine();
    await finalize();
    expect((await bill()).status).toBe(409);
    expect((await bill()).status).toBe(409);
    expect((await ours()).notice).toContain("5.00 USD");
    expect(await audited()).toEqual(["invoice.mismatched"]);
    expect(await told()).toEqual([]);
  });

  it("is not taken for paid, and bills nothing twice: what was paid is taken back before it is void", async () => {
    await addLine();
    await finalize();
    stripe.change(theInvoice().id, { status: "paid" });
    for (const type of ["paid", "finalized", "paid"]) expect(await news(type)).toBe(200);
    const { id, status, notice } = await ours();
    expect(status).toBe("draft");
    expect(notice).toContain("paid");
    expect(notice).toContain("5.00 USD");
    expect(notice).toContain("credit note");
    expect(await told()).toEqual([]);
    expect(await audited()).toEqual(["invoice.mismatched"]);
    const refused = await post(`billing/invoices/${id}/void`);
    expect(refused).toMatchObject({ status: 409, body: { error: expect.stringContaining("in Stripe") } });
    expect((await ours()).status).toBe("draft");

    const part = { invoice: theInvoice().id, amount: 300, refund_amount: 300 };
    await person.creditNotes.create(part);
    expect((await post(`billing/invoices/${id}/void`)).status).toBe(409);
    await person.creditNotes.create({ ...part, amount: 200, refund_amount: 200 });
    expect((await post(`billing/invoices/${id}/void`)).body.data).toMatchObject({ status: "void" });
    expect((await bill()).body.data).toMatchObject({ status: "open", total: "4.00" });
    expect(await check()).toEqual([]);
  });

  it("is told of again once it is paid, also where only voiding it finds that", async () => {
    await addLine();
    await finalize();
    expect(await news("finalized")).toBe(200);
    stripe.change(theInvoice().id, { status: "paid" });
    expect((await post(`billing/invoices/${(await ours()).id}/void`)).status).toBe(409);
    expect((await ours()).notice).toContain("paid");
    expect(await audited()).toEqual(["invoice.mismatched", "invoice.mismatched"]);
    expect(await told()).toEqual([]);
  });

  it("is void where somebody voided it there, and was never told of", async () => {
    await addLine();
    await finalize();
    await person.invoices.voidInvoice(theInvoice().id);
    expect(await news("voided")).toBe(200);
    expect(await ours()).toMatchObject({ status: "void" });
    expect(await told()).toEqual([]);
    expect(await audited()).toEqual(["invoice.void"]);
    expect((await bill()).body.data).toMatchObject({ status: "open", total: "4.00" });
  });

  it("is as good as ours where nothing was changed", async () => {
    await finalize();
    expect(await news("finalized")).toBe(200);
    const { status, notice, hostedInvoiceUrl } = await ours();
    expect({ status, notice }).toEqual({ status: "open", notice: undefined });
    expect(hostedInvoiceUrl).toBe(theInvoice()["hosted_invoice_url"]);
    expect(await told()).toEqual(["invoice.created"]);
    expect(await audited()).toEqual(["invoice.open"]);
    expect(await check()).toEqual([]);
  });

  it("waits for the event to come again where Stripe does not show it", async () => {
    await addLine();
    await finalize();
    const event = stripeEvent("invoice.finalized", theInvoice().id);
    stripe.addFault({ on: "GET /v1/invoices/:id", kind: "close-before", times: 3 });
    expect((await deliverStripeEvent(api, event)).status).toBe(502);
    expect((await ours()).notice).toBeUndefined();
    expect((await deliverStripeEvent(api, event)).status).toBe(200);
    expect((await ours()).notice).toContain("5.00 USD");
  });
});
