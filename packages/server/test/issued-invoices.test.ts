import { request } from "undici";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startServer } from "../src/start-server.ts";
import { closeCurrentPeriod, startTestApi, type TestAccount, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";

describeOnEachDatabase("an invoice that is issued here on $name", (database) => {
  let api: TestApi;
  let account: TestAccount;
  let token: string;
  beforeAll(async () => {
    api = await startTestApi(database, { logLevel: "silent" });
  }, 60_000);
  beforeEach(async () => {
    account = await api.createAccount({ name: "Weather & Sons" });
    token = account.liveKey;
  });
  afterEach(() => api.setTime(null));
  afterAll(() => api.close());

  const post = (path: string, body: object = {}, key = token) =>
    api.call("POST", `/api/v1${path}`, { token: key, body });
  const made = async (path: string, body: object = {}, key = token) => {
    const answer = await post(path, body, key);
    if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    return answer.body.data;
  };
  const get = async (path: string, key = token) =>
    (await api.call("GET", `/api/v1${path}`, { token: key })).body.data;

  /** Makes the invoices of a month that so many customers used, and answers their ids. */
  async function invoicesOf(customers: number, { key = token, price = "0.5", details = {} } = {}) {
    const meterName = `pages_${customers}`;
    await made("/meters", { name: meterName, price: { model: "per_unit", unitPrice: price } }, key);
    for (let index = 0; index < customers; index++) {
      const { id: customerId } = await made("/customers", { name: `Customer ${index}`, ...details }, key);
      const { id: agentId } = await made("/agents", { name: "agent", customerId }, key);
      await made("/usage/events", { events: [{ agentId, meterName, quantity: 20 }] }, key);
    }
    const periodId = await closeCurrentPeriod(api, key);
    const { outcomes } = await made(`/billing/periods/${periodId}/invoices`, {}, key);
    return {
      periodId,
      ids: outcomes.map(({ invoice }: { invoice: { id: string } }) => invoice.id) as string[],
    };
  }
  const issue = (id: string, body: object = {}, key = token) =>
    post(`/billing/invoices/${id}/issue`, body, key);
  const pageOf = (id: string) => readPage(`/api/v1/billing/invoices/${id}/html`, token);

  async function readPage(path: string, key?: string) {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const answer = await request(api.url + path, { headers });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  }

  it("has numbers without a gap, in each account and mode by itself, whoever issues at once", async () => {
    const { ids } = await invoicesOf(6);
    const answers = await Promise.all(
      [...ids, ...ids, "01890a5d-ac96-774b-bcce-b302099a8057"].map((id) => issue(id)),
    );
    expect(answers.map(({ status }) => status)).toEqual([...Array(12).fill(200), 404]);
    const numbers = answers.slice(0, 12).map(({ body }) => body.data.number);
    expect(new Set(numbers.slice(0, 6))).toEqual(new Set(numbers.slice(6)));
    expect(numbers.slice(0, 6).toSorted()).toEqual([1, 2, 3, 4, 5, 6].map((n) => `INV-000${n}`));
    const test = await invoicesOf(1, { key: account.key });
    expect((await issue(test.ids[0] ?? "", {}, account.key)).body.data.number).toBe("TEST-0001");
  });

  it("keeps its number when it is voided, and the next has the next one", async () => {
    const { periodId, ids } = await invoicesOf(1);
    const [id = ""] = ids;
    await issue(id);
    expect(await made(`/billing/invoices/${id}/void`)).toMatchObject({ status: "void", number: "INV-0001" });
    expect(await issue(id)).toMatchObject({
      status: 200,
      body: { data: { status: "void", number: "INV-0001" } },
    });
    const { outcomes } = await made(`/billing/periods/${periodId}/invoices`);
    const [again] = outcomes;
    expect((await issue(again.invoice.id)).body.data).toMatchObject({ status: "open", number: "INV-0002" });
    const neverIssued = await invoicesOf(2);
    await made(`/billing/invoices/${neverIssued.ids[0]}/void`);
    expect((await issue(neverIssued.ids[0] ?? "")).status).toBe(409);
  });

  it("is open, due in the days that are said, and counts as invoiced", async () => {
    const { periodId, ids } = await invoicesOf(1);
    const [id = ""] = ids;
    api.setTime("2031-05-01T12:00:00Z");
    const issued = (await issue(id, { daysUntilDue: 14 })).body.data;
    expect(issued).toMatchObject({
      status: "open",
      issuedAt: "2031-05-01T12:00:00.000Z",
      dueAt: "2031-05-15T12:00:00.000Z",
      paidAt: null,
      paymentReference: null,
    });
    expect(await get(`/billing/invoices/${id}`)).toEqual(issued);
    expect((await issue(id, { daysUntilDue: 30 })).body.data).toEqual(issued);
    expect(await get(`/billing/uninvoiced?periodId=${periodId}`)).toEqual([]);
    expect((await get(`/billing/periods/${periodId}/check`)).differences).toEqual([]);
    const [event] = await get("/audit-events?operation=billing.issueInvoice");
    expect(event.resourceIds).toContain(id);
  });

  it("of nothing is paid as it is issued", async () => {
    const { ids } = await invoicesOf(1, { price: "0" });
    expect((await issue(ids[0] ?? "")).body.data).toMatchObject({
      status: "paid",
      total: "0.00",
      number: "INV-0001",
    });
  });

  it("is paid by hand, once, with a reference, and webhooks hear of it", async () => {
    await made("/webhooks", { url: "https://example.com/hook", events: ["invoice.paid"] });
    const { ids } = await invoicesOf(2);
    const [id = "", other = ""] = ids;
    const pay = (body: object, of = id) => post(`/billing/invoices/${of}/pay`, body);
    expect((await pay({ reference: "early" })).status).toBe(409);
    await issue(id);
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    expect(await pay({ reference: "transfer 1", paidAt: tomorrow })).toMatchObject({
      status: 400,
      body: { code: "VALIDATION_ERROR" },
    });
    const paidAt = "2026-02-03T00:00:00.000Z";
    const paid = await pay({ reference: "transfer 1", paidAt });
    expect(paid.body.data).toMatchObject({ status: "paid", paidAt, paymentReference: "transfer 1" });
    expect((await pay({ reference: "transfer 1" })).body.data).toEqual(paid.body.data);
    expect(await pay({ reference: "transfer 2" })).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining("transfer 1") },
    });
    expect((await post(`/billing/invoices/${id}/void`)).status).toBe(409);
    const credit = (body: object) => post(`/billing/invoices/${id}/credit-notes`, { amount: "1", ...body });
    expect((await credit({})).body.data).toMatchObject({ status: "issued", settlement: "out_of_band" });
    expect((await credit({ settlement: "out_of_band" })).status).toBe(201);
    for (const settlement of ["refund", "customer_balance"])
      expect((await credit({ settlement })).status).toBe(422);
    const told = await api.db.query<{ body: string }>("SELECT body FROM webhook_deliveries");
    expect(told.map(({ body }) => JSON.parse(body).data.id)).toEqual([id]);
    await issue(other);
    await made(`/billing/invoices/${other}/void`);
    expect((await pay({ reference: "late" }, other)).status).toBe(409);
  });

  it("names seller and buyer as they stood then, how to pay, and when", async () => {
    const address = { line1: "1 <b>Main</b> Street", city: "Berlin", postalCode: "10115", country: "DE" };
    await api.call("PATCH", "/api/v1/account", {
      token,
      body: {
        address,
        taxId: { type: "eu_vat", value: "DE123456789" },
        paymentInstructions: "IBAN DE00 1234\n<i>BIC</i> X",
      },
    });
    const details = { email: "pay@them.example", taxId: { type: "eu_vat", value: "FR1" } };
    const { ids } = await invoicesOf(1, { details });
    const [id = ""] = ids;
    expect((await pageOf(id)).text).not.toContain("IBAN");
    api.setTime("2031-05-01T12:00:00Z");
    const { customerId } = (await issue(id, { daysUntilDue: 14 })).body.data;
    await api.call("PATCH", `/api/v1/customers/${customerId}`, { token, body: { name: "Renamed" } });
    await api.call("PATCH", "/api/v1/account", { token, body: { name: "Renamed", address: null } });
    const { text } = await pageOf(id);
    for (const shown of [
      "INV-0001",
      "Weather &amp; Sons",
      "1 &lt;b&gt;Main&lt;/b&gt; Street",
      "10115 Berlin",
      "Germany",
      "DE123456789",
      "Customer 0",
      "FR1",
      "1 May 2031",
      "15 May 2031",
      "IBAN DE00 1234\n&lt;i&gt;BIC&lt;/i&gt; X",
    ]) {
      expect(text).toContain(shown);
    }
    expect(text).not.toMatch(/Renamed|<b>|<i>|https?:/);
    await made(`/billing/invoices/${id}/pay`, { reference: "transfer <8731>" });
    const paid = await pageOf(id);
    expect(paid.text).toContain("transfer &lt;8731&gt;");
    expect(paid.text).not.toContain("IBAN");
  });

  it("is opened by a link, until that ends, and by no other", async () => {
    const { ids } = await invoicesOf(2);
    const [id = "", other = ""] = ids;
    const link = (of: string, body: object = {}) => post(`/billing/invoices/${of}/link`, body);
    expect((await link(id)).status).toBe(409);
    for (const each of ids) await issue(each);
    api.setTime("2031-05-01T12:00:00Z");
    const { path, expiresAt } = (await link(id, { expiresIn: 3_600 })).body.data;
    expect(expiresAt).toBe("2031-05-01T13:00:00.000Z");
    const opened = await readPage(path);
    expect(opened).toMatchObject({ status: 200, headers: { "cache-control": "private, no-store" } });
    expect(opened.text).toBe((await pageOf(id)).text);
    const url = new URL(path, api.url);
    const signature = url.searchParams.get("signature") ?? "";
    const expires = Number(url.searchParams.get("expires"));
    const strange = [
      `/invoices/${other}?expires=${expires}&signature=${signature}`,
      `/invoices/${id}?expires=${expires + 1}&signature=${signature}`,
      `/invoices/${id}?expires=${expires}&signature=${signature.slice(0, -2)}`,
      `/invoices/${id}?expires=${expires}&signature=`,
      `/invoices/${id}?expires=1e99&signature=${signature}`,
      `/invoices/${id}`,
      "/invoices/x",
    ];
    for (const one of strange)
      expect({ one, status: (await readPage(one)).status }).toEqual({ one, status: 404 });
    expect((await readPage(strange[1] ?? "", token)).status).toBe(404);
    await api.restart();
    api.setTime("2031-05-01T12:59:59Z");
    expect((await readPage(path)).status).toBe(200);
    api.setTime("2031-05-01T13:00:00Z");
    const ended = await readPage(path);
    expect(ended.status).toBe(404);
    expect(ended.text).not.toContain("INV-");
  });

  it("does not go to Stripe as well, and one that is Stripe's is not issued here", async () => {
    const { periodId, ids } = await invoicesOf(2, {
      key: account.key,
      details: { email: "pay@them.example" },
    });
    const [id = "", other = ""] = ids;
    await issue(id, {}, account.key);
    const stripe: StripeStandIn = await startStripeStandIn();
    const withStripe = await startServer({
      db: api.db,
      port: 0,
      logLevel: "silent",
      stripe: { apiKey: "sk_test_standin", baseUrl: stripe.url },
    });
    try {
      const call = async (path: string, body?: object) => {
        const answer = await request(`${withStripe.url}/api/v1${path}`, {
          headers: { authorization: `Bearer ${account.key}`, "content-type": "application/json" },
          ...(body && { method: "POST", body: JSON.stringify(body) }),
        });
        // biome-ignore lint/suspicious/noExplicitAny: answers of every shape.
        return { status: answer.statusCode, body: (await answer.body.json()) as any };
      };
      const { data } = (await call(`/billing/periods/${periodId}/invoices`, {})).body;
      const statuses = data.outcomes.map(
        (one: { invoice: { id: string; number: string; stripeConfigured: boolean } }) => [
          one.invoice.id,
          one.invoice.number,
          one.invoice.stripeConfigured,
        ],
      );
      expect(statuses).toEqual([
        [id, "TEST-0001", false],
        [other, null, true],
      ]);
      expect(stripe.all("invoice")).toHaveLength(1);
      expect((await call(`/billing/invoices/${other}/issue`, {})).status).toBe(409);
      expect((await call(`/billing/invoices/${other}/pay`, { reference: "r" })).status).toBe(409);
      expect((await call(`/billing/invoices/${other}/link`, {})).body.error).toContain("hostedInvoiceUrl");
      expect((await call(`/billing/periods/${periodId}/check`)).body.data.differences).toEqual([]);
      expect((await call(`/billing/uninvoiced?periodId=${periodId}`)).body.data).toEqual([]);
      expect((await call(`/billing/invoices/${id}/pay`, { reference: "by hand" })).body.data.status).toBe(
        "paid",
      );
    } finally {
      await withStripe.close();
      await stripe.close();
    }
  });
});
