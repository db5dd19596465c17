import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { getEnvironment, getEnvironmentId } from "../src/accounts/accounts.ts";
import { getInvoice } from "../src/billing/invoices.ts";
import { connectStripe } from "../src/billing/stripe.ts";
import { voidInvoice } from "../src/billing/void-invoice.ts";
import { closeCurrentPeriod, createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { deliverStripeEvent, STRIPE_WEBHOOK_SECRET, stripeEvent } from "./support/stripe-events.ts";
import { repeatToStripeAtOnce } from "./support/stripe-retries.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";

describeOnEachDatabase("billing on $name", (database) => {
  let stripe: StripeStandIn;
  let api: TestApi;
  beforeAll(async () => {
    repeatToStripeAtOnce();
    stripe = await startStripeStandIn();
    api = await startTestApi(database, {
      logLevel: "silent",
      backgroundInterval: 20,
      autoClose: { after: 3_600, maxClockSkew: Number.POSITIVE_INFINITY },
      stripe: { apiKey: "sk_test_standin", baseUrl: stripe.url, webhookSecret: STRIPE_WEBHOOK_SECRET },
    });
  }, 60_000);
  beforeEach(() => {
    stripe.reset();
    api.setTime(null);
  });
  afterAll(async () => {
    await api.close();
    await stripe.close();
  });

  const post = (path: string, token: string, body?: object, headers: Record<string, string> = {}) =>
    api.call("POST", `/api/v1${path}`, { token, body, headers });
  const get = (path: string, token: string) => api.call("GET", `/api/v1${path}`, { token });

  async function priceCalls(key: string, unitPrice: string): Promise<void> {
    const meters = await get("/meters?name=api_calls", key);
    await post(`/meters/${meters.body.data[0].id}/prices`, key, { price: { model: "per_unit", unitPrice } });
  }

  async function use(token: string, quantity: number): Promise<void> {
    const answer = await post("/mcp/verify", token, { meterName: "api_calls", quantity });
    expect(answer.status).toBe(200);
  }

  /** An invoice over 10.00 of the account; live data has no Stripe here, test data has. */
  async function invoiceOfTen(key: string) {
    await priceCalls(key, "0.5");
    const { token } = await createAuthorizedAgent(api, key);
    await use(token, 20);
    const periodId = await closeCurrentPeriod(api, key);
    const answer = await post(`/billing/periods/${periodId}/invoice`, key);
    expect(answer.body.data.total).toBe("10.00");
    return { periodId, invoice: answer.body.data };
  }

  it("puts every unit on exactly one invoice: its customer's, or else the account's", async () => {
    const { liveKey: key } = await api.createAccount();
    await priceCalls(key, "0.01");
    const customers: string[] = [];
    for (const name of ["Ada", "Grace"]) {
      customers.push((await post("/customers", key, { name })).body.data.id);
    }
    const tokens: string[] = [];
    for (const customerId of [...customers, undefined, undefined]) {
      const agent = await post("/agents", key, { name: "agent", ...(customerId && { customerId }) });
      const authorized = await post("/mcp/authorize", key, {
        agentId: agent.body.data.id,
        scopes: ["mcp:invoke"],
      });
      tokens.push(authorized.body.data.token);
    }
    for (const [index, token] of tokens.entries()) await use(token, 10 ** index);
    const periodId = await closeCurrentPeriod(api, key);
    const period = await get(`/billing/periods/${periodId}`, key);
    const invoices = [];
    for (const customerId of [...customers, undefined]) {
      const answer = await post(`/billing/periods/${periodId}/invoice`, key, {
        ...(customerId && { customerId }),
      });
      invoices.push(answer.body.data);
    }
    expect(invoices.map(({ totalUsage }) => totalUsage)).toEqual([
      { api_calls: 1 },
      { api_calls: 10 },
      { api_calls: 1_100 },
    ]);
    expect(invoices.map(({ customerId }) => customerId)).toEqual([...customers, null]);
    const billed = invoices.reduce((sum, { totalUsage }) => sum + totalUsage.api_calls, 0);
    expect(billed).toBe(period.body.data.totals[0].quantity);
    const list = await get(`/billing/invoices?customerId=${customers[0]}`, key);
    // What other payers owe is news of the moment, and no part of the invoice.
    const { uninvoiced, ...stored } = invoices[0];
    expect(uninvoiced).toEqual({ payers: 2, total: "11.10", currency: "usd" });
    expect(list.body.data).toEqual([stored]);
  });

  it("makes an invoice of an amount that a number does not hold, and another once the price is right", async () => {
    const { liveKey: key } = await api.createAccount();
    await priceCalls(key, "999999999999999.99");
    const { token } = await createAuthorizedAgent(api, key);
    await use(token, 1);
    const periodId = await closeCurrentPeriod(api, key);
    const huge = await post(`/billing/periods/${periodId}/invoice`, key);
    expect(huge).toMatchObject({ status: 201, body: { data: { total: "999999999999999.99" } } });
    expect((await get("/billing/invoices", key)).body.data).toEqual([huge.body.data]);
    expect((await post(`/billing/invoices/${huge.body.data.id}/void`, key)).status).toBe(200);

    const { startsAt: effectiveFrom } = (await get(`/billing/periods/${periodId}`, key)).body.data;
    const [meter] = (await get("/meters?name=api_calls", key)).body.data;
    const price = { model: "per_unit", unitPrice: "90071992547409.91" };
    await post(`/meters/${meter.id}/prices`, key, { price, effectiveFrom });
    const { id, total, lines } = (await post(`/billing/periods/${periodId}/invoice`, key)).body.data;
    expect({ total, minor: lines[0].amountMinor }).toEqual({
      total: "90071992547409.91",
      minor: Number.MAX_SAFE_INTEGER,
    });
    const path = `/billing/invoices/${id}/credit-notes`;
    expect((await post(path, key, { amount: "999999999999999" })).status).toBe(422);
    expect((await post(path, key, { amount: "90071992547409.91" })).status).toBe(201);
  });

  it("voids an invoice, and lets its period be invoiced again at the right price", async () => {
    const { key } = await api.createAccount();
    const { periodId, invoice } = await invoiceOfTen(key);
    const voided = await post(`/billing/invoices/${invoice.id}/void`, key);
    expect(voided.body.data).toMatchObject({ id: invoice.id, status: "void", total: "10.00" });
    expect((await post(`/billing/invoices/${invoice.id}/void`, key)).body).toEqual(voided.body);
    const again = await post(`/billing/periods/${periodId}/invoice`, key);
    expect(again.body.data).toMatchObject({ status: "open", total: "10.00", totalUsage: { api_calls: 20 } });
    expect(again.body.data.id).not.toBe(invoice.id);
    expect((await post(`/billing/periods/${periodId}/invoice`, key)).body).toEqual(again.body);
    expect(stripe.all("invoice").map(({ status }) => status)).toEqual(["void", "open"]);
  });

  it("voids a draft that never got finished, by removing it from Stripe", async () => {
    const { key } = await api.createAccount();
    await priceCalls(key, "0.5");
    const { token } = await createAuthorizedAgent(api, key);
    await use(token, 20);
    const periodId = await closeCurrentPeriod(api, key);
    stripe.addFault({ on: "POST /v1/invoiceitems", kind: "close-before", times: 3 });
    expect((await post(`/billing/periods/${periodId}/invoice`, key)).status).toBe(502);
    const [draft] = (await get(`/billing/invoices?periodId=${periodId}`, key)).body.data;
    expect(draft.status).toBe("draft");
    expect((await post(`/billing/invoices/${draft.id}/void`, key)).body.data.status).toBe("void");
    expect(stripe.all("invoice")).toEqual([]);
  });

  it("voids in Stripe what was sent there after the invoice had been read", async () => {
    const { id: accountId, key } = await api.createAccount();
    await priceCalls(key, "0.5");
    const { token } = await createAuthorizedAgent(api, key);
    await use(token, 20);
    const periodId = await closeCurrentPeriod(api, key);
    stripe.addFault({ on: "POST /v1/customers", kind: "close-before", times: 3 });
    expect((await post(`/billing/periods/${periodId}/invoice`, key)).status).toBe(502);
    const [{ id }] = (await get(`/billing/invoices?periodId=${periodId}`, key)).body.data;
    const environment = await getEnvironment(api.db, await getEnvironmentId(api.db, accountId, "test"));
    const unsent = await getInvoice(api.db, environment.id, id);
    expect(unsent.stripe_invoice_id).toBeNull();
    expect((await post(`/billing/periods/${periodId}/invoice`, key)).body.data.status).toBe("open");

    const services = {
      db: api.db,
      now: () => new Date(),
      newId: () => uuidv7(),
      stripe: connectStripe({ apiKey: "sk_test_standin", baseUrl: stripe.url }),
    };
    expect(await voidInvoice(services, environment, unsent)).toMatchObject({ id, status: "void" });
    expect(stripe.all("invoice").map(({ status }) => status)).toEqual(["void"]);
  });

  it("voids no paid invoice, even where Stripe knows of the payment first", async () => {
    const { key } = await api.createAccount();
    const { invoice } = await invoiceOfTen(key);
    stripe.change(invoice.stripeInvoiceId, { status: "paid" });
    const answer = await post(`/billing/invoices/${invoice.id}/void`, key);
    expect(answer).toMatchObject({ status: 409, body: { code: "CONFLICT" } });
    expect((await get(`/billing/invoices/${invoice.id}`, key)).body.data.status).toBe("paid");
  });

  it.each(["test", "live"] as const)(
    "takes back at most the total by credit notes, with %s data",
    async (mode) => {
      const account = await api.createAccount();
      const key = mode === "test" ? account.key : account.liveKey;
      const { invoice } = await invoiceOfTen(key);
      const path = `/billing/invoices/${invoice.id}/credit-notes`;
      const first = await post(path, key, { amount: "4", memo: "Down for an hour" });
      expect(first).toMatchObject({
        status: 201,
        body: { data: { amount: "4.00", amountMinor: 400, status: "issued" } },
      });
      const together = await Promise.all([1, 2, 3].map(() => post(path, key, { amount: "2.50" })));
      expect(together.map(({ status }) => status).sort()).toEqual([201, 201, 422]);
      for (const amount of ["0", "1.001", "1.01"])
        expect((await post(path, key, { amount })).status).toBe(422);
      expect((await get(`/billing/invoices/${invoice.id}`, key)).body.data.credited).toBe("9.00");
      expect((await get(path, key)).body.data).toHaveLength(3);
      expect(stripe.all("credit_note").map((note) => note["amount"])).toEqual(
        mode === "test" ? [400, 250, 250] : [],
      );
    },
  );

  it("goes on with a credit note that Stripe did not answer, under the same Idempotency-Key", async () => {
    const { key } = await api.createAccount();
    const { invoice } = await invoiceOfTen(key);
    const send = () =>
      post(
        `/billing/invoices/${invoice.id}/credit-notes`,
        key,
        { amount: "3" },
        { "idempotency-key": "credit-1" },
      );
    stripe.addFault({ on: "POST /v1/credit_notes", kind: "close-after" });
    stripe.addFault({ on: "POST /v1/credit_notes", kind: "close-before", times: 2 });
    expect((await send()).status).toBe(502);
    const answer = await send();
    expect(answer).toMatchObject({ status: 201, body: { data: { status: "issued" } } });
    expect(stripe.all("credit_note")).toHaveLength(1);
  });

  it("sends by itself a credit note whose request was never repeated", async () => {
    const { key } = await api.createAccount();
    const { invoice } = await invoiceOfTen(key);
    const path = `/billing/invoices/${invoice.id}/credit-notes`;
    const send = () => post(path, key, { amount: "3" }, { "idempotency-key": "credit-once" });
    stripe.addFault({ on: "POST /v1/credit_notes", kind: "close-after" });
    stripe.addFault({ on: "POST /v1/credit_notes", kind: "close-before", times: 2 });
    expect((await send()).status).toBe(502);
    expect((await get(path, key)).body.data).toMatchObject([{ status: "pending" }]);

    api.setTime(new Date(Date.now() + 61_000));
    const status = async () => (await get(path, key)).body.data[0].status;
    await expect.poll(status, { timeout: 10_000 }).toBe("issued");
    const [note] = (await get(path, key)).body.data;
    expect(stripe.all("credit_note").map(({ id }) => id)).toEqual([note.stripeCreditNoteId]);
    expect((await send()).body.data).toEqual(note);
  }, 120_000);

  it("keeps a credit note as refused that Stripe refuses when it is sent later, and frees its amount", async () => {
    const { key } = await api.createAccount();
    const { invoice } = await invoiceOfTen(key);
    const path = `/billing/invoices/${invoice.id}/credit-notes`;
    stripe.addFault({ on: "POST /v1/credit_notes", kind: "close-before", times: 3 });
    expect((await post(path, key, { amount: "3" })).status).toBe(502);
    expect((await get(`/billing/invoices/${invoice.id}`, key)).body.data.credited).toBe("3.00");
    stripe.change(invoice.stripeInvoiceId, { status: "void" });
    api.setTime(new Date(Date.now() + 61_000));
    const status = async () => (await get(path, key)).body.data[0].status;
    await expect.poll(status, { timeout: 10_000 }).toBe("refused");
    expect((await get(`/billing/invoices/${invoice.id}`, key)).body.data.credited).toBe("0.00");
    expect(stripe.all("credit_note")).toEqual([]);
  }, 120_000);

  describe("events of Stripe's", () => {
    const deliver = (event: object, options: { secret?: string; age?: number } = {}) =>
      deliverStripeEvent(api, event, options);
    const statusOf = async (key: string, id: string) =>
      (await get(`/billing/invoices/${id}`, key)).body.data.status;

    it("keep the invoice's status true, and count once", async () => {
      const { key } = await api.createAccount();
      const { invoice } = await invoiceOfTen(key);
      for (const [type, status] of [
        ["invoice.payment_failed", "payment_failed"],
        ["invoice.marked_uncollectible", "uncollectible"],
        ["invoice.paid", "paid"],
      ] as const) {
        const news = stripeEvent(type, invoice.stripeInvoiceId);
        expect((await deliver(news)).status).toBe(200);
        expect((await deliver(news)).status).toBe(200);
        expect(await statusOf(key, invoice.id)).toBe(status);
      }
    });

    it.each([
      ["invoice.paid", "paid"],
      ["invoice.marked_uncollectible", "uncollectible"],
      ["invoice.voided", "void"],
    ])("in any order end in the same status, with %s in %s", async (last, status) => {
      const { key } = await api.createAccount();
      const told = ["invoice.finalized", "invoice.payment_failed", last];
      for (const order of orders(told)) {
        const { invoice } = await invoiceOfTen(key);
        for (const type of order) await deliver(stripeEvent(type, invoice.stripeInvoiceId));
        expect({ order, status: await statusOf(key, invoice.id) }).toEqual({ order, status });
      }
    });

    it("take nothing back from a paid invoice", async () => {
      const { key } = await api.createAccount();
      const { invoice } = await invoiceOfTen(key);
      for (const type of ["paid", "payment_failed", "finalized", "marked_uncollectible", "voided"]) {
        await deliver(stripeEvent(`invoice.${type}`, invoice.stripeInvoiceId));
        expect(await statusOf(key, invoice.id)).toBe("paid");
      }
    });

    it("free the period when Stripe voids the invoice", async () => {
      const { key } = await api.createAccount();
      const { periodId, invoice } = await invoiceOfTen(key);
      await deliver(stripeEvent("invoice.voided", invoice.stripeInvoiceId));
      expect(await statusOf(key, invoice.id)).toBe("void");
      expect((await post(`/billing/periods/${periodId}/invoice`, key)).body.data.id).not.toBe(invoice.id);
    });

    it("are refused when they are not signed, old, of another mode, or no events", async () => {
      const { key } = await api.createAccount();
      const { invoice } = await invoiceOfTen(key);
      const paid = stripeEvent("invoice.paid", invoice.stripeInvoiceId);
      expect((await deliver(paid, { secret: "whsec_other" })).status).toBe(400);
      expect((await deliver(paid, { age: 301 })).status).toBe(400);
      expect((await deliver(stripeEvent("invoice.paid", invoice.stripeInvoiceId, true))).status).toBe(400);
      expect((await api.call("POST", "/webhooks/stripe", { body: paid })).status).toBe(400);
      expect(await statusOf(key, invoice.id)).toBe("open");
      expect((await deliver(stripeEvent("customer.created", "cus_1"))).status).toBe(200);
      expect((await deliver(stripeEvent("invoice.paid", "in_of_somebody_else"))).status).toBe(200);
    });
  });

  it("closes a period by itself once the time of grace after its end is over", async () => {
    api.setTime("2026-03-31T23:00:00.000Z");
    const { key } = await api.createAccount();
    const { token } = await createAuthorizedAgent(api, key, { expiresIn: 86_400 });
    await use(token, 3);
    const { id } = (await get("/billing/periods/current", key)).body.data;
    api.setTime("2026-04-01T00:59:00.000Z");
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect((await get(`/billing/periods/${id}`, key)).body.data.status).toBe("open");
    api.setTime("2026-04-01T01:00:01.000Z");
    const read = async () => (await get(`/billing/periods/${id}`, key)).body.data;
    await expect.poll(async () => (await read()).status, { timeout: 5_000 }).toBe("closed");
    expect((await read()).endsAt).toBe("2026-04-01T00:00:00.000Z");
    const closed = await get("/billing/periods?status=closed", key);
    expect(closed.body.data.map((period: { id: string }) => period.id)).toEqual([id]);
  });
});

/** A list in every order that it can have. */
function orders<Item>(items: readonly Item[]): Item[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((first, index) =>
    orders(items.filter((_, other) => other !== index)).map((rest) => [first, ...rest]),
  );
}
