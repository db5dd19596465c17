import { request } from "undici";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { openPeriodsOfMinimums } from "../src/billing/open-period.ts";
import { eraseCustomer } from "../src/customers/erase-customer.ts";
import { closeCurrentPeriod, startTestApi, type TestApi } from "./support/api.ts";
import { billedAccount, METER } from "./support/billed-account.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { repeatToStripeAtOnce } from "./support/stripe-retries.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";

const NOVEMBER = "2026-11-01T00:00:00.000Z";
const BEFORE = "2026-11-05T00:00:00.000Z";
const MID = "2026-11-14T12:00:00.000Z";
const DECEMBER = "2026-12-01T00:00:00.000Z";
const JANUARY = "2027-01-01T00:00:00.000Z";
const UNKNOWN = "0198a1f2-7c3e-7d8a-9b61-0f6c2d4e8a10";

const TEN_PERCENT = { discount: { model: "percent", percent: "10" }, reason: "a launch" };
const THREE_OFF = { discount: { model: "amount", amount: "3" }, reason: "an outage" };

describeOnEachDatabase("discounts and minimums of customers on $name", (database) => {
  let stripe: StripeStandIn;
  let api: TestApi;
  beforeAll(async () => {
    repeatToStripeAtOnce();
    stripe = await startStripeStandIn();
    api = await startTestApi(database, {
      logLevel: "silent",
      stripe: { apiKey: "sk_test_standin", baseUrl: stripe.url, timeout: 2_000 },
    });
  }, 60_000);
  beforeEach(() => {
    stripe.reset();
  });
  afterAll(async () => {
    await api.close();
    await stripe.close();
  });

  /** A customer and an agent of nobody, who pay 0.10 a unit. */
  async function billed() {
    api.setTime(BEFORE);
    const account = await billedAccount(api);
    api.setTime(MID);
    const { make, get, call, customer } = account;
    const discount = (body: object) => make(`customers/${customer}/discounts`, body);
    const minimum = (body: object) => make(`customers/${customer}/minimums`, body);
    const previewOf = async (periodId: string) => {
      const costs = await get(`billing/preview?periodId=${periodId}`);
      return costs.find(({ customerId }: { customerId: string | null }) => customerId === customer);
    };
    /** Closes the running period at a moment and invoices the customer, who must owe what the preview says. */
    const closeAt = async (time: string) => {
      const { id } = await get("billing/periods/current");
      api.setTime(time);
      const previewed = await previewOf(id);
      await make(`billing/periods/${id}/close`);
      const invoice = (await account.invoicesOf(id)).find(
        (one: { customerId: string | null }) => one.customerId === customer,
      );
      for (const name of ["lines", "subtotal", "discount", "minimum", "total"])
        expect(invoice?.[name], name).toEqual(previewed?.[name]);
      expect(await account.check(id)).toMatchObject({ differences: [] });
      return { id, invoice };
    };
    const set = (path: string, body: object) => call("POST", `customers/${customer}/${path}`, body);
    return { ...account, discount, minimum, previewOf, closeAt, set };
  }

  it("are taken off and filled up in this order, and stand on the invoice, its page and in Stripe", async () => {
    const { discount, minimum, use, agentId, own, closeAt, key, get, customer } = await billed();
    await use(agentId, 600);
    await use(own, 10);
    const agreed = await discount({ discount: { model: "percent", percent: "50" }, reason: "a <launch>" });
    const least = await minimum({ minimum: "50", effectiveFrom: NOVEMBER });
    const { id, invoice } = await closeAt(DECEMBER);
    expect(invoice).toMatchObject({
      lines: [{ meterName: METER, amount: "60.00" }],
      subtotal: "60.00",
      discount: {
        discountId: agreed.id,
        discount: { model: "percent", percent: "50" },
        reason: "a <launch>",
        description: "Discount of 50 %: a <launch>",
        amount: "30.00",
        amountMinor: 3_000,
      },
      minimum: {
        minimumId: least.id,
        minimum: "50",
        description: "Up to the minimum of 50 USD",
        amount: "20.00",
        amountMinor: 2_000,
      },
      total: "50.00",
    });
    const items = stripe.all("invoiceitem").filter((item) => item["invoice"] === invoice.stripeInvoiceId);
    expect(items.map(({ amount, description }) => [amount, description])).toEqual([
      [6_000, "API calls × 600"],
      [-3_000, "Discount of 50 %: a <launch>"],
      [2_000, "Up to the minimum of 50 USD"],
    ]);
    const page = await request(`${api.url}/api/v1/billing/invoices/${invoice.id}/html`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const text = await page.body.text();
    expect(text).toMatch(/60\.00.*Discount of 50 %: a &lt;launch&gt;.*−30\.00.*minimum of 50 USD.*20\.00/s);
    expect(text).toContain("50.00 USD");

    // The account itself has none; and what is not as it was agreed is found.
    const others = await get(`billing/preview?periodId=${id}`);
    expect(others.find((one: { customerId: unknown }) => one.customerId === null)).toMatchObject({
      total: "1.00",
    });
    expect(others).toHaveLength(2);
    await api.db.query(
      "UPDATE period_terms SET terms = $2::jsonb WHERE customer_id = $1 AND kind = 'discount'",
      [customer, JSON.stringify({ model: "percent", percent: "40" })],
    );
    const { differences } = await get(`billing/periods/${id}/check`);
    expect(differences).toMatchObject([
      { kind: "lines", what: "discount", expected: "24.00", found: "30.00" },
      { kind: "lines", what: "minimum", expected: "14.00", found: "20.00" },
    ]);
  });

  it("are found where Stripe has an item that the invoice does not", async () => {
    const { discount, use, agentId, closeAt, get } = await billed();
    await use(agentId, 100);
    await discount(TEN_PERCENT);
    const { id, invoice } = await closeAt(DECEMBER);
    const [off] = stripe
      .all("invoiceitem")
      .filter((item) => item["invoice"] === invoice.stripeInvoiceId && Number(item["amount"]) < 0);
    Object.assign(off ?? {}, { amount: -101 });
    const { differences } = await get(`billing/periods/${id}/check`);
    expect(differences).toMatchObject([
      { kind: "stripe", what: expect.stringMatching(/^line /), expected: "-100", found: "-101" },
    ]);
  });

  it("count for so many periods, from the one that runs, whether or not there is usage", async () => {
    const { discount, closeAt, use, agentId } = await billed();
    await use(agentId, 100);
    expect(await discount({ ...TEN_PERCENT, periods: 3 })).toMatchObject({
      periods: 3,
      effectiveFrom: NOVEMBER,
      billedFrom: NOVEMBER,
    });
    expect((await closeAt("2026-11-20T00:00:00.000Z")).invoice).toMatchObject({ total: "9.00" });
    // The rest of November is a period of its own, in which the customer has nothing.
    expect((await closeAt(DECEMBER)).invoice).toBeUndefined();
    await use(agentId, 100);
    expect((await closeAt(JANUARY)).invoice).toMatchObject({ total: "9.00" });
    await use(agentId, 100);
    const { invoice } = await closeAt("2027-02-01T00:00:00.000Z");
    expect(invoice).toMatchObject({ total: "10.00" });
    expect(invoice).not.toHaveProperty("discount");
    expect(invoice).not.toHaveProperty("subtotal");
  });

  it("count in the order of the periods where several are open", async () => {
    const { discount, make, use, agentId, get, previewOf } = await billed();
    await use(agentId, 100);
    await discount({ ...TEN_PERCENT, periods: 1 });
    const november = await get("billing/periods/current");
    api.setTime("2026-12-10T00:00:00.000Z");
    await use(agentId, 100);
    const december = await get("billing/periods/current");
    expect(december.id).not.toBe(november.id);
    expect(await previewOf(november.id)).toMatchObject({ total: "9.00" });
    expect(await previewOf(december.id)).toMatchObject({ total: "10.00" });
    await make(`billing/periods/${december.id}/close`);
    expect(await previewOf(december.id)).toMatchObject({ total: "10.00" });
    expect(await previewOf(november.id)).toMatchObject({ total: "9.00" });
    await make(`billing/periods/${november.id}/close`);
    expect(await previewOf(november.id)).toMatchObject({ total: "9.00" });
    expect(await previewOf(december.id)).toMatchObject({ total: "10.00" });
  });

  it("are fixed with the close: what is agreed later changes no closed period, invoiced or not", async () => {
    const { discount, minimum, make, key, use, agentId, set, customer, previewOf, invoicesOf } =
      await billed();
    await use(agentId, 100);
    await discount({ ...THREE_OFF, periods: 1 });
    const periodId = await closeCurrentPeriod(api, key);
    // The rest of the month is closed as it begins, so that one more period begins at the same moment.
    await use(agentId, 100);
    const momentary = await closeCurrentPeriod(api, key);
    for (const effectiveFrom of [NOVEMBER, "2026-10-01T00:00:00.000Z"]) {
      expect(await set("discounts", { ...TEN_PERCENT, effectiveFrom })).toMatchObject({
        status: 409,
        body: { code: "CONFLICT", error: expect.stringContaining("is closed") },
      });
      expect(await set("minimums", { minimum: "90", effectiveFrom })).toMatchObject({ status: 409 });
    }
    await discount({ discount: { model: "percent", percent: "99" }, reason: "too late" });
    await minimum({ minimum: "90" });
    await discount({ discount: null });
    expect(await previewOf(periodId)).toMatchObject({ total: "7.00" });
    expect(await previewOf(momentary)).toMatchObject({ total: "10.00" });
    const [first] = await invoicesOf(periodId);
    expect(first).toMatchObject({ customerId: customer, total: "7.00", discount: { amount: "3.00" } });
    await make(`billing/invoices/${first.id}/void`);
    const [again] = await invoicesOf(periodId);
    expect(again).toMatchObject({ total: "7.00", discount: { amount: "3.00", reason: "an outage" } });
    expect(again.id).not.toBe(first.id);
  });

  it("are agreed one after the other: the next takes over, and ends what was before", async () => {
    const { discount, get, customer, closeAt, use, agentId } = await billed();
    await use(agentId, 100);
    const first = await discount(TEN_PERCENT);
    const second = await discount(THREE_OFF);
    const third = await discount({ discount: null, effectiveFrom: MID });
    const later = await discount({ ...TEN_PERCENT, periods: 2, effectiveFrom: JANUARY });
    expect(second).toMatchObject({ ...THREE_OFF, periods: null, billedFrom: NOVEMBER });
    expect(third).toMatchObject({ discount: null, reason: null, billedFrom: DECEMBER });
    expect(later).toMatchObject({ billedFrom: JANUARY });
    expect(await get(`customers/${customer}/discounts`)).toEqual([
      later,
      third,
      second,
      { ...first, billedFrom: null },
    ]);
    expect(await get(`customers/${customer}/discounts?limit=1&cursor=${third.id}`)).toEqual([second]);
    expect(await get(`customers/${customer}/minimums`)).toEqual([]);
    expect((await closeAt(DECEMBER)).invoice).toMatchObject({ total: "7.00" });
    await use(agentId, 100);
    expect((await closeAt(JANUARY)).invoice).toMatchObject({ total: "10.00" });
    await use(agentId, 100);
    expect((await closeAt("2027-02-01T00:00:00.000Z")).invoice).toMatchObject({ total: "9.00" });
  });

  it("never take off more than there is, and carry nothing over", async () => {
    const { discount, use, agentId, closeAt } = await billed();
    await discount(THREE_OFF);
    await use(agentId, 10);
    const { invoice } = await closeAt(DECEMBER);
    expect(invoice).toMatchObject({ subtotal: "1.00", discount: { amount: "1.00" }, total: "0.00" });
    await use(agentId, 100);
    expect((await closeAt(JANUARY)).invoice).toMatchObject({ discount: { amount: "3.00" }, total: "7.00" });
  });

  it("charge a minimum from the next period on, with usage or without, until it is ended", async () => {
    const { minimum, closeAt, get, customer, agentId, key, use, own } = await billed();
    await use(own, 10);
    expect(await minimum({ minimum: "25" })).toMatchObject({ minimum: "25", billedFrom: DECEMBER });
    expect((await closeAt(DECEMBER)).invoice).toBeUndefined();
    await api.call("DELETE", `/api/v1/agents/${agentId}`, { token: key });
    api.setTime("2026-12-15T00:00:00.000Z");
    await minimum({ minimum: null });
    const current = await get("billing/periods/current");
    api.setTime(JANUARY);
    expect(await get(`billing/uninvoiced?periodId=${current.id}`)).toMatchObject([
      { customerId: customer, total: "25.00", usage: [] },
    ]);
    api.setTime("2026-12-31T00:00:00.000Z");
    const { id, invoice } = await closeAt(JANUARY);
    expect(invoice).toMatchObject({
      lines: [],
      totalUsage: {},
      subtotal: "0.00",
      minimum: { amount: "25.00" },
      total: "25.00",
      stripeInvoiceId: expect.any(String),
    });
    expect(await get(`billing/periods/${id}/check`)).toMatchObject({ differences: [], invoices: 1 });
    api.setTime("2027-01-15T00:00:00.000Z");
    expect(await get("billing/preview")).toEqual([]);
  });

  it("are missed by the check where a minimum stands on no invoice", async () => {
    const { minimum, get, make, customer } = await billed();
    await minimum({ minimum: "25", effectiveFrom: NOVEMBER });
    const { id } = await get("billing/periods/current");
    await make(`billing/periods/${id}/close`);
    expect(await get(`billing/periods/${id}/check`)).toMatchObject({
      differences: [{ kind: "uninvoiced", customerId: customer, what: "a minimum without an invoice" }],
    });
  });

  it("open the period of a month in which nothing is used, for a minimum, and for nothing else", async () => {
    const counted = async (account: { get: (path: string) => Promise<unknown[]> }) =>
      (await account.get("billing/periods?status=open")).length;
    const idle = await billed();
    const agreed = await billed();
    const discounted = await billed();
    await agreed.minimum({ minimum: "25" });
    await discounted.discount(TEN_PERCENT);
    for (const account of [agreed, discounted]) {
      api.setTime(MID);
      await account.closeAt(DECEMBER);
    }
    api.setTime("2026-12-02T00:00:00.000Z");
    const now = () => new Date("2026-12-02T00:00:00.000Z");
    const making = { newId: () => uuidv7(), now };
    await openPeriodsOfMinimums(api.db, { ...making, maxClockSkew: 0 });
    expect(await counted(agreed)).toBe(0);
    await openPeriodsOfMinimums(api.db, { ...making, maxClockSkew: Number.POSITIVE_INFINITY });
    expect(await Promise.all([idle, agreed, discounted].map(counted))).toEqual([0, 1, 0]);
    expect(await agreed.get("billing/periods?status=open")).toMatchObject([{ startsAt: DECEMBER }]);
  });

  it("are refused for whom and for what there is not", async () => {
    const { set, call } = await billed();
    const wrong: [string, object, string][] = [
      ["discounts", { discount: { model: "percent", percent: "100.1" }, reason: "x" }, "discount.percent"],
      ["discounts", { discount: { model: "percent", percent: "0.00" }, reason: "x" }, "discount.percent"],
      ["discounts", { discount: { model: "amount", amount: "0" }, reason: "x" }, "discount.amount"],
      ["discounts", { discount: { model: "percent", percent: "10" } }, "reason"],
      ["discounts", { discount: null, reason: "x" }, "reason"],
      ["discounts", { discount: null, periods: 2 }, "periods"],
      ["discounts", { ...TEN_PERCENT, periods: 0 }, "periods"],
      ["minimums", { minimum: "0" }, "minimum"],
      ["minimums", { minimum: null, periods: 2 }, "periods"],
    ];
    for (const [path, body, issue] of wrong) {
      expect(await set(path, body), JSON.stringify(body)).toMatchObject({
        status: 400,
        body: { details: { issues: [{ path: issue }] } },
      });
    }
    for (const [path, body] of [
      ["discounts", TEN_PERCENT],
      ["minimums", { minimum: "5" }],
    ] as const) {
      expect(await call("POST", `customers/${UNKNOWN}/${path}`, body)).toMatchObject({ status: 404 });
      expect(await call("GET", `customers/${UNKNOWN}/${path}`)).toMatchObject({ status: 404 });
    }
    for (const [path, body] of [
      ["discounts", { discount: { model: "amount", amount: "0.005" }, reason: "x" }],
      ["minimums", { minimum: "0.005" }],
    ] as const) {
      expect(await set(path, body)).toMatchObject({
        status: 422,
        body: { error: expect.stringContaining("cannot be paid exactly") },
      });
    }
  });

  it("are on exactly one side of a close that comes at the same time", async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      const { use, agentId, get, make, set, previewOf } = await billed();
      await use(agentId, 100);
      const { id } = await get("billing/periods/current");
      const [answer] = await Promise.all([
        set("discounts", { ...THREE_OFF, effectiveFrom: NOVEMBER }),
        make(`billing/periods/${id}/close`),
      ]);
      expect([201, 409]).toContain(answer.status);
      expect(await previewOf(id)).toMatchObject({ total: answer.status === 201 ? "7.00" : "10.00" });
    }
  });

  it("keep a customer from being erased while a minimum is owed, and go with it", async () => {
    const { discount, minimum, customer, closeAt, use, agentId, get } = await billed();
    await use(agentId, 100);
    await discount({ ...TEN_PERCENT, reason: "for Canary" });
    await minimum({ minimum: "25", effectiveFrom: NOVEMBER });
    const making = () => ({ newId: () => uuidv7(), now: new Date(DECEMBER), actor: "cli" }) as const;
    const { id } = await closeAt(DECEMBER);
    const december = await get("billing/periods/current");
    expect(await eraseCustomer(api.db, customer, making())).toEqual({
      outcome: "not-invoiced",
      periodIds: [december.id],
    });
    await minimum({ minimum: null, effectiveFrom: DECEMBER });
    await minimum({ minimum: "30", effectiveFrom: JANUARY });
    expect(await eraseCustomer(api.db, customer, making())).toMatchObject({ outcome: "erased" });
    expect(await get(`customers/${customer}/discounts`)).toEqual([]);
    expect(await get(`billing/periods/${id}/check`)).toMatchObject({ differences: [] });
    const reasons = await api.db.query("SELECT reason FROM period_terms WHERE customer_id = $1", [customer]);
    expect(JSON.stringify(reasons)).not.toContain("Canary");
    api.setTime("2027-01-10T00:00:00.000Z");
    await use((await get("agents?name=own"))[0].id, 1);
    expect(await get("billing/preview")).toMatchObject([{ customerId: null }]);
  });
});

describeOnEachDatabase("discounts and minimums in other currencies on $name", (database) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(database, { logLevel: "silent" });
  }, 60_000);
  afterAll(() => api.close());

  it.each([
    { currency: "jpy", unitPrice: "1", least: "200", off: "17", added: "50", total: "200", finer: "0.5" },
    {
      currency: "bhd",
      unitPrice: "0.01",
      least: "2",
      off: "0.170",
      added: "0.500",
      total: "2.000",
      finer: "0.005",
    },
  ])("$currency", async ({ currency, unitPrice, least, off, added, total, finer }) => {
    api.setTime(BEFORE);
    const { key } = await api.createAccount({ currency });
    const call = (path: string, body?: object) =>
      api.call(body ? "POST" : "GET", `/api/v1/${path}`, { token: key, ...(body && { body }) });
    const make = async (path: string, body: object) => (await call(path, body)).body.data;
    const { id: customerId } = await make("customers", { name: "Acme" });
    const { id: agentId } = await make("agents", { name: "a", customerId });
    await make("meters", { name: "pages", price: { model: "per_unit", unitPrice } });
    api.setTime(MID);
    await make("usage/events", { events: [{ agentId, meterName: "pages", quantity: 167 }] });
    await make(`customers/${customerId}/discounts`, TEN_PERCENT);
    await make(`customers/${customerId}/minimums`, { minimum: least, effectiveFrom: NOVEMBER });
    expect(await call(`customers/${customerId}/minimums`, { minimum: finer })).toMatchObject({ status: 422 });
    const expected = { discount: { amount: off }, minimum: { amount: added }, total, currency };
    expect((await call("billing/preview")).body.data).toMatchObject([expected]);
    const periodId = await closeCurrentPeriod(api, key);
    expect(await make(`billing/periods/${periodId}/invoice`, { customerId })).toMatchObject(expected);
  });
});
