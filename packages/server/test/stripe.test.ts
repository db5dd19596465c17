import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { Queryable } from "../src/store/database.ts";
import {
  closeCurrentPeriod,
  createAuthorizedAgent,
  startTestApi,
  type TestAccount,
  type TestApi,
} from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { repeatToStripeAtOnce } from "./support/stripe-retries.ts";
import { type Fault, type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";

describeOnEachDatabase("invoices on Stripe, on $name", (database) => {
  let stripe: StripeStandIn;
  let api: TestApi;
  beforeAll(async () => {
    repeatToStripeAtOnce();
    stripe = await startStripeStandIn();
    api = await startTestApi(database, {
      logLevel: "silent",
      stripe: { apiKey: "sk_test_standin", baseUrl: stripe.url, timeout: 500 },
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

  /** A closed period with usage on two meters: 3 × 0.25 and 1000 × 0.002. */
  async function closedPeriod(account: TestAccount, key = account.key, beforeClose = () => {}) {
    const meters = await api.call("GET", "/api/v1/meters?name=api_calls", { token: key });
    await api.call("POST", `/api/v1/meters/${meters.body.data[0].id}/prices`, {
      token: key,
      body: { price: { model: "per_unit", unitPrice: "0.25" } },
    });
    await api.call("POST", "/api/v1/meters", {
      token: key,
      body: { name: "tokens", displayName: "Tokens", price: { model: "per_unit", unitPrice: "0.002" } },
    });
    const { token } = await createAuthorizedAgent(api, key);
    await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls", quantity: 3 } });
    await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "tokens", quantity: 1_000 } });
    beforeClose();
    return closeCurrentPeriod(api, key);
  }

  const invoice = (key: string, periodId: string, body?: object) =>
    api.call("POST", `/api/v1/billing/periods/${periodId}/invoice`, { token: key, body });

  /** What must be in Stripe after everything, whatever happened on the way. */
  function expectOneInvoice(stripeInvoiceId: string) {
    expect(stripe.all("customer")).toHaveLength(1);
    expect(stripe.all("invoice").map(({ id, status }) => ({ id, status }))).toEqual([
      { id: stripeInvoiceId, status: "open" },
    ]);
    const items = stripe.all("invoiceitem").map(({ amount, currency, description, metadata }) => ({
      amount,
      currency,
      description,
      meter: metadata["licentric_meter"],
    }));
    expect(items).toEqual([
      { amount: 75, currency: "usd", description: "API calls × 3", meter: "api_calls" },
      { amount: 200, currency: "usd", description: "Tokens × 1000", meter: "tokens" },
    ]);
  }

  it("makes a customer, one item per meter and a finalized invoice", async () => {
    const account = await api.createAccount();
    const periodId = await closedPeriod(account);
    const answer = await invoice(account.key, periodId);
    expect(answer).toMatchObject({
      status: 201,
      body: { data: { stripeConfigured: true, status: "open", total: "2.75", credited: "0.00" } },
    });
    expect(answer.body.data.hostedInvoiceUrl).toMatch(/^https:\/\/invoice\.stripe\.com\//);
    expectOneInvoice(answer.body.data.stripeInvoiceId);

    const calls = stripe.requests.length;
    expect((await invoice(account.key, periodId)).body).toEqual(answer.body);
    expect(stripe.requests).toHaveLength(calls);
  });

  const steps = [
    "POST /v1/customers",
    "POST /v1/invoices",
    "POST /v1/invoiceitems",
    "POST /v1/invoices/:id/finalize",
  ];
  const kinds: Fault["kind"][] = ["500", "500-after", "429", "hang-after", "close-after", "close-before"];
  const faults = steps.flatMap((on) => kinds.map((kind) => ({ on, kind })));

  it.each(faults)(
    "goes on after $kind at $on, and makes nothing twice",
    async ({ on, kind }) => {
      const account = await api.createAccount();
      const periodId = await closedPeriod(account);
      stripe.addFault({ on, kind, times: 3 });
      const answers = [await invoice(account.key, periodId)];
      while (answers.at(-1)?.status !== 201 && answers.length < 8) {
        expect(answers.at(-1)).toMatchObject({ status: 502, body: { code: "UPSTREAM_ERROR" } });
        answers.push(await invoice(account.key, periodId));
      }
      expectOneInvoice(answers.at(-1)?.body.data.stripeInvoiceId);
    },
    60_000,
  );

  const forgotten = faults.filter(({ kind }) => ["500-after", "close-after", "close-before"].includes(kind));
  it.each(forgotten)(
    "goes on a day after $kind at $on, when Stripe has forgotten the keys",
    async ({ on, kind }) => {
      api.setTime("2026-05-10T00:00:00.000Z");
      stripe.setTime(new Date("2026-05-10T00:00:00.000Z"));
      const account = await api.createAccount();
      const periodId = await closedPeriod(account, account.key, () =>
        api.setTime("2026-05-10T01:00:00.000Z"),
      );
      stripe.addFault({ on, kind });
      stripe.addFault({ on, kind: "close-before", times: 100 });
      expect((await invoice(account.key, periodId)).status).toBe(502);
      stripe.clearFaults();
      api.setTime("2026-05-12T00:00:00.000Z");
      stripe.setTime(new Date("2026-05-12T00:00:00.000Z"));
      const answer = await invoice(account.key, periodId);
      expect(answer.status).toBe(201);
      expectOneInvoice(answer.body.data.stripeInvoiceId);
    },
    60_000,
  );

  it("goes on after a crash before or after any of its own writes", async () => {
    const account = await api.createAccount();
    const periodId = await closedPeriod(account);
    let crashes = 0;
    for (let write = 1; ; write += 1) {
      const restore = failAtWrite(api.db, write);
      const answer = await invoice(account.key, periodId);
      restore();
      if (answer.status === 201) {
        expectOneInvoice(answer.body.data.stripeInvoiceId);
        break;
      }
      expect(answer.status).toBe(500);
      crashes += 1;
    }
    expect(crashes).toBeGreaterThan(3);
  }, 60_000);

  /** What Stripe's only invoice says of how it is paid. */
  function stripeTerms() {
    const [found, ...others] = stripe.all("invoice");
    expect(others).toEqual([]);
    const { licentric_invoice_id: _, licentric_period_id: __, ...metadata } = found?.metadata ?? {};
    return {
      collection: found?.["collection_method"],
      days: found?.["due_date"] === null ? null : (found?.["due_date"] - (found?.created ?? 0)) / 86_400,
      memo: found?.["description"],
      tax: found?.["automatic_tax"].enabled,
      metadata,
    };
  }
  const DEFAULT_TERMS = { collection: "send_invoice", days: 30, memo: null, tax: false, metadata: {} };
  const differences = async (key: string, periodId: string) =>
    (await api.call("GET", `/api/v1/billing/periods/${periodId}/check`, { token: key })).body.data
      .differences;
  const charged = { collection: "charge_automatically" };

  const changes = [
    { first: {}, next: { daysUntilDue: 14 }, terms: { days: 14 } },
    { first: { daysUntilDue: 14, memo: "one" }, next: { memo: "two" }, terms: { days: 14, memo: "two" } },
    { first: {}, next: charged, terms: { ...charged, days: null } },
    { first: charged, next: { collection: "send_invoice", daysUntilDue: 7 }, terms: { days: 7 } },
    { first: {}, next: { automaticTax: true }, terms: { tax: true } },
    { first: { automaticTax: true }, next: { automaticTax: false }, terms: { tax: false } },
    {
      first: { metadata: { po: "1", run: "a" } },
      next: { metadata: { po: "2" } },
      terms: { metadata: { po: "2" } },
    },
    { first: {}, next: { memo: "none" }, terms: { memo: "none" } },
    { first: {}, next: { metadata: { po: "none" } }, terms: { metadata: { po: "none" } } },
  ];
  it.each(changes)(
    "says in Stripe what was said last, where the draft's answer was lost: $first, then $next",
    async ({ first, next, terms }) => {
      const account = await api.createAccount();
      const address = { country: "DE" };
      await api.call("PATCH", "/api/v1/account", { token: account.key, body: { address } });
      const periodId = await closedPeriod(account);
      stripe.addFault({ on: "POST /v1/invoices", kind: "close-after" });
      stripe.addFault({ on: "POST /v1/invoices", kind: "close-before", times: 100 });
      expect((await invoice(account.key, periodId, first)).status).toBe(502);
      stripe.clearFaults();
      // And once more between the draft and what is put on it.
      stripe.addFault({ on: "POST /v1/invoices/:id", kind: "close-before", times: 3 });
      expect((await invoice(account.key, periodId, next)).status).toBe(502);
      const done = await invoice(account.key, periodId, next);
      expect(done).toMatchObject({ status: 201, body: { data: { status: "open", total: "2.75" } } });
      expect(stripeTerms()).toEqual({ ...DEFAULT_TERMS, ...terms });
      expect(stripe.all("invoiceitem")).toHaveLength(2);
      expect(await differences(account.key, periodId)).toEqual([]);
    },
    60_000,
  );

  it("says in Stripe what the books say when it is asked for with several terms at once", async () => {
    const account = await api.createAccount();
    const periodId = await closedPeriod(account);
    await Promise.all(
      [7, 14, 21, 28].map((daysUntilDue) => invoice(account.key, periodId, { daysUntilDue, memo: "m" })),
    );
    expect((await invoice(account.key, periodId)).status).toBe(201);
    const [stored] = await api.db.query<{ days: number }>(
      "SELECT days_until_due AS days FROM invoices WHERE period_id = $1",
      [periodId],
    );
    expect(stripeTerms()).toEqual({ ...DEFAULT_TERMS, memo: "m", days: stored?.days });
    expect(await differences(account.key, periodId)).toEqual([]);
  }, 60_000);

  it("finds in the books' check what is paid on other terms in Stripe", async () => {
    const account = await api.createAccount();
    const periodId = await closedPeriod(account);
    const { id } = (await invoice(account.key, periodId, { memo: "ours", metadata: { po: "1" } })).body.data;
    const found = stripe.all("invoice")[0] ?? expect.unreachable();
    const due_date = found["due_date"] - 16 * 86_400;
    stripe.change(found.id, {
      due_date,
      description: "theirs",
      automatic_tax: { enabled: true },
      metadata: {},
    });
    const of = { kind: "stripe", invoiceId: id, meterName: null, customerId: null };
    const expected = [
      { ...of, what: "days until due", expected: "30", found: "14" },
      { ...of, what: "automatic tax", expected: "false", found: "true" },
      { ...of, what: "memo", expected: "ours", found: "theirs" },
      { ...of, what: "metadata po", expected: "1", found: "none" },
    ];
    expect(await differences(account.key, periodId)).toEqual(expected);
    stripe.change(found.id, { collection_method: "charge_automatically", due_date: null });
    expect(await differences(account.key, periodId)).toEqual([
      { ...of, what: "collection", expected: "send_invoice", found: "charge_automatically" },
      ...expected.slice(1),
    ]);
  });

  it("makes one invoice when it is asked for many times at once, with and without failures", async () => {
    const account = await api.createAccount();
    const periodId = await closedPeriod(account);
    for (const on of steps) stripe.addFault({ on, kind: "500-after", times: 2 });
    const answers = await Promise.all(Array.from({ length: 8 }, () => invoice(account.key, periodId)));
    expect(answers.map(({ status }) => status).filter((status) => status !== 201 && status !== 502)).toEqual(
      [],
    );
    const last = await invoice(account.key, periodId);
    expectOneInvoice(last.body.data.stripeInvoiceId);
  }, 60_000);

  it("uses another key after Stripe kept a refusal, once its cause is gone", async () => {
    const account = await api.createAccount();
    const periodId = await closedPeriod(account);
    stripe.addFault({ on: "POST /v1/invoices", kind: "402" });
    expect((await invoice(account.key, periodId)).status).toBe(502);
    const answer = await invoice(account.key, periodId);
    expect(answer.status).toBe(201);
    expectOneInvoice(answer.body.data.stripeInvoiceId);
  });

  it("does not finalize a draft that somebody changed in Stripe", async () => {
    const account = await api.createAccount();
    const periodId = await closedPeriod(account);
    stripe.addFault({ on: "POST /v1/invoices/:id/finalize", kind: "close-before", times: 3 });
    expect((await invoice(account.key, periodId)).status).toBe(502);
    const [item] = stripe.all("invoiceitem");
    stripe.change(item?.id ?? "", { amount: 1 });
    const answer = await invoice(account.key, periodId);
    expect(answer).toMatchObject({ status: 409, body: { code: "CONFLICT" } });
    expect(answer.body.error).toContain("does not add up");
    expect(stripe.all("invoice").map(({ status }) => status)).toEqual(["draft"]);
  });

  it.each([
    { currency: "jpy", unitPrice: "12.5", quantity: 5, total: "63", amount: 63 },
    { currency: "isk", unitPrice: "12.5", quantity: 3, total: "38", amount: 3_800 },
    { currency: "kwd", unitPrice: "0.0033", quantity: 5, total: "0.020", amount: 20 },
    { currency: "eur", unitPrice: "0.0033", quantity: 155, total: "0.51", amount: 51 },
  ])(
    "sends $amount to Stripe for $total $currency",
    async ({ currency, unitPrice, quantity, total, amount }) => {
      const { key } = await api.createAccount({ currency });
      await api.call("POST", "/api/v1/meters", {
        token: key,
        body: { name: "work", price: { model: "per_unit", unitPrice } },
      });
      const { token } = await createAuthorizedAgent(api, key);
      await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "work", quantity } });
      const answer = await invoice(key, await closeCurrentPeriod(api, key));
      expect(answer.body.data).toMatchObject({ status: "open", total, currency });
      expect(stripe.all("invoiceitem").map((item) => [item["amount"], item["currency"]])).toEqual([
        [amount, currency],
      ]);
    },
  );

  it("sends an invoice of zero with its lines, which Stripe marks as paid", async () => {
    const { key } = await api.createAccount();
    const { token } = await createAuthorizedAgent(api, key);
    await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls", quantity: 7 } });
    const answer = await invoice(key, await closeCurrentPeriod(api, key));
    expect(answer.body.data).toMatchObject({ stripeConfigured: true, status: "paid", total: "0.00" });
    expect(stripe.all("invoiceitem").map((item) => item["amount"])).toEqual([0]);
  });

  it("sends nothing for a period without usage", async () => {
    const { key } = await api.createAccount();
    const answer = await invoice(key, await closeCurrentPeriod(api, key));
    expect(answer.body.data).toMatchObject({
      stripeConfigured: true,
      stripeInvoiceId: null,
      hostedInvoiceUrl: null,
      status: "computed",
      total: "0.00",
      lines: [],
    });
    expect(stripe.requests).toEqual([]);
  });

  it("never shows test data to a live key, nor live data to a test key", async () => {
    const account = await api.createAccount();
    const live = await closedPeriod(account, account.liveKey);
    const answer = await invoice(account.liveKey, live);
    expect(answer.body.data).toMatchObject({ stripeConfigured: false, status: "computed", total: "2.75" });
    expect(stripe.requests).toEqual([]);

    const liveApi = await startTestApi(database, {
      logLevel: "silent",
      stripe: { apiKey: "rk_live_standin", baseUrl: stripe.url },
    });
    try {
      const other = await liveApi.createAccount();
      const current = await liveApi.call("GET", "/api/v1/billing/periods/current", { token: other.key });
      const path = `/api/v1/billing/periods/${current.body.data.id}`;
      await liveApi.call("POST", `${path}/close`, { token: other.key });
      const computed = await liveApi.call("POST", `${path}/invoice`, { token: other.key });
      expect(computed.body.data.stripeConfigured).toBe(false);
      expect(stripe.requests).toEqual([]);
    } finally {
      await liveApi.close();
    }
  }, 60_000);

  it("refuses to bill a Stripe customer that was made for another account", async () => {
    const victim = await api.createAccount();
    await invoice(victim.key, await closedPeriod(victim));
    const [foreign] = stripe.all("customer");

    const { key } = await api.createAccount();
    const customer = await api.call("POST", "/api/v1/customers", { token: key, body: { name: "Mallory" } });
    const customerId = customer.body.data.id;
    // A server of before let it be named.
    await api.db.query("UPDATE customers SET stripe_customer_id = $2 WHERE id = $1", [
      customerId,
      foreign?.id ?? "",
    ]);
    const agent = await api.call("POST", "/api/v1/agents", { token: key, body: { name: "a", customerId } });
    const authorized = await api.call("POST", "/api/v1/mcp/authorize", {
      token: key,
      body: { agentId: agent.body.data.id, scopes: ["mcp:invoke"] },
    });
    await api.call("POST", "/api/v1/mcp/verify", {
      token: authorized.body.data.token,
      body: { meterName: "api_calls" },
    });
    const answer = await invoice(key, await closeCurrentPeriod(api, key), { customerId });
    expect(answer).toMatchObject({ status: 422, body: { code: "UNPROCESSABLE" } });
    expect(stripe.all("invoice")).toHaveLength(1);
  });
});

/**
 * Lets the nth write from now on happen or not happen, by turns, and then fails it and all that follow, as a
 * process that dies at this point.
 */
function failAtWrite(db: { query: Queryable["query"] }, nth: number): () => void {
  const { query } = db;
  let writes = 0;
  db.query = async (text, values) => {
    if (!/^\s*(INSERT|UPDATE)/.test(text)) return query(text, values);
    writes += 1;
    if (writes < nth) return query(text, values);
    if (writes === nth && nth % 2 === 0) await query(text, values);
    throw new Error("the process dies here");
  };
  return () => {
    db.query = query;
  };
}
