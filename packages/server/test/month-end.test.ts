import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { closeCurrentPeriod, startTestApi, type TestAccount, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";

describeOnEachDatabase("the end of a month on $name", (database) => {
  let stripe: StripeStandIn;
  let api: TestApi;
  let account: TestAccount;
  let acme: string;
  let zeta: string;
  let periodId: string;
  beforeAll(async () => {
    stripe = await startStripeStandIn();
    api = await startTestApi(database, {
      logLevel: "silent",
      stripe: { apiKey: "sk_test_standin", baseUrl: stripe.url, timeout: 500 },
    });
  }, 60_000);
  afterAll(async () => {
    await api.close();
    await stripe.close();
  });

  const get = (path: string) => api.call("GET", `/api/v1/${path}`, { token: account.key });
  const post = (path: string, body: object = {}) =>
    api.call("POST", `/api/v1/${path}`, { token: account.key, body });
  const patch = (path: string, body: object) =>
    api.call("PATCH", `/api/v1/${path}`, { token: account.key, body });
  const createInvoices = (body: object = {}) => post(`billing/periods/${periodId}/invoices`, body);
  const uninvoiced = async () => (await get(`billing/uninvoiced?periodId=${periodId}`)).body.data;
  const check = async () => (await get(`billing/periods/${periodId}/check`)).body.data;

  async function use(quantity: number, customerId?: string): Promise<void> {
    const agent = await post("agents", { name: "a", ...(customerId && { customerId }) });
    const event = { agentId: agent.body.data.id, meterName: "api_calls", quantity };
    expect((await post("usage/events", { events: [event] })).body.data.results[0].status).toBe("recorded");
  }

  /** A closed month: Acme 300.00, Zeta, who has no e-mail address, 22.40, and the account itself 2.60. */
  beforeEach(async () => {
    stripe.reset();
    account = await api.createAccount();
    const meters = await get("meters?name=api_calls");
    const price = { model: "per_unit", unitPrice: "0.10" };
    await post(`meters/${meters.body.data[0].id}/prices`, { price });
    acme = (await post("customers", { name: "Acme", email: "pay@acme.example" })).body.data.id;
    zeta = (await post("customers", { name: "Zeta" })).body.data.id;
    await post("customers", { name: "Idle", email: "idle@acme.example" });
    await use(3_000, acme);
    await use(224, zeta);
    await use(26);
    periodId = await closeCurrentPeriod(api, account.key);
  });

  it.each(["next", "1", "", "0190f000-0000-7000-8000-00000000000g"])(
    "refuses a cursor that is none: %j",
    async (cursor) => {
      expect(await createInvoices({ cursor })).toMatchObject({
        status: 400,
        body: {
          code: "VALIDATION_ERROR",
          error: expect.stringContaining("cursor"),
          details: { issues: [{ path: "cursor" }] },
        },
      });
      expect(await uninvoiced()).toHaveLength(3);
    },
  );

  it("makes the invoices of all payers by one call, and says whose it could not", async () => {
    expect(await uninvoiced()).toMatchObject([
      { periodId, customerId: acme, name: "Acme", total: "300.00", totalUsage: { api_calls: 3_000 } },
      { customerId: zeta, name: "Zeta", total: "22.40" },
      { customerId: null, total: "2.60", currency: "usd", invoiceId: null },
    ]);
    const first = await createInvoices({ metadata: { run: "1" } });
    expect(first).toMatchObject({
      status: 200,
      body: {
        data: {
          periodId,
          nextCursor: null,
          outcomes: [
            {
              status: "invoiced",
              name: "Acme",
              invoice: { total: "300.00", status: "open", metadata: { run: "1" } },
            },
            { status: "failed", name: "Zeta", code: "UNPROCESSABLE", details: { rule: "email_required" } },
            { status: "invoiced", customerId: null, invoice: { total: "2.60", status: "open" } },
          ],
        },
      },
    });
    expect(await uninvoiced()).toMatchObject([{ customerId: zeta, invoiceId: expect.any(String) }]);
    expect((await check()).differences).toMatchObject([
      { kind: "stripe", customerId: zeta, found: "not sent" },
    ]);

    const asked = stripe.requests.length;
    expect((await createInvoices()).body).toEqual(first.body);
    expect(stripe.requests).toHaveLength(asked);
    await patch(`customers/${zeta}`, { email: "pay@zeta.example" });
    const second = await createInvoices();
    expect(second.body.data.outcomes.map(({ status }: { status: string }) => status)).toEqual([
      "invoiced",
      "invoiced",
      "invoiced",
    ]);
    expect(await uninvoiced()).toEqual([]);
    expect(stripe.all("invoice").map(({ total }) => total)).toEqual([30_000, 260, 2_240]);
    expect(await check()).toEqual({
      periodId,
      invoices: 3,
      archivedEvents: 0,
      differences: [],
      nextCursor: null,
    });
    const audit = await get("audit-events?operation=billing.createInvoices");
    const ids = second.body.data.outcomes.map(({ invoice }: { invoice: { id: string } }) => invoice.id);
    expect(audit.body.data[0].resourceIds).toEqual([periodId, ...ids]);
  });

  it("says with one payer's invoice what of the period it does not cover", async () => {
    const own = await post(`billing/periods/${periodId}/invoice`);
    expect(own.body.data).toMatchObject({
      total: "2.60",
      uninvoiced: { payers: 2, total: "322.40", currency: "usd" },
    });
    await post(`billing/periods/${periodId}/invoice`, { customerId: acme });
    await patch(`customers/${zeta}`, { email: "pay@zeta.example" });
    const last = await post(`billing/periods/${periodId}/invoice`, { customerId: zeta });
    expect(last.body.data).not.toHaveProperty("uninvoiced");
  });

  it("does not take a void invoice for one", async () => {
    await patch(`customers/${zeta}`, { email: "pay@zeta.example" });
    const { outcomes } = (await createInvoices()).body.data;
    await post(`billing/invoices/${outcomes[2].invoice.id}/void`);
    expect(await uninvoiced()).toMatchObject([{ customerId: null, total: "2.60", invoiceId: null }]);
    expect((await check()).differences).toMatchObject([{ kind: "uninvoiced", customerId: null }]);
    await createInvoices();
    expect(await uninvoiced()).toEqual([]);
  });

  it("says of a repeated key where the invoices stand by then, and makes none anew", async () => {
    await patch(`customers/${zeta}`, { email: "pay@zeta.example" });
    const keyed = (path: string, key: string, body: object = {}) =>
      api.call("POST", `/api/v1/billing/periods/${periodId}/${path}`, {
        token: account.key,
        body,
        headers: { "idempotency-key": key },
      });
    const first = await keyed("invoices", "run-1");
    expect((await keyed("invoices", "run-1")).body).toEqual(first.body);
    const one = (await keyed("invoice", "own-1")).body.data;
    const { id } = first.body.data.outcomes[2].invoice;
    expect(one.id).toBe(id);
    await post(`billing/invoices/${id}/void`);

    const again = await keyed("invoices", "run-1");
    expect(again.body.data.outcomes).toMatchObject([
      { status: "invoiced", name: "Acme" },
      { status: "invoiced", name: "Zeta" },
      { status: "failed", customerId: null, code: "CONFLICT", details: { invoiceId: id } },
    ]);
    expect(again.body.data.outcomes[2].error).toContain("voided");
    expect(await uninvoiced()).toMatchObject([{ customerId: null, total: "2.60" }]);
    expect((await keyed("invoice", "own-1")).body.data).toMatchObject({ id, status: "void" });
    expect(stripe.all("invoice").filter(({ status }) => status !== "void")).toHaveLength(2);

    const anew = (await createInvoices()).body.data.outcomes[2].invoice;
    expect(anew.id).not.toBe(id);
    expect((await keyed("invoices", "run-1")).body.data.outcomes[2]).toMatchObject({
      status: "invoiced",
      invoice: { id: anew.id, status: "open" },
    });
    expect(stripe.all("invoice").filter(({ status }) => status !== "void")).toHaveLength(3);
  });

  it("lists a month that is over and not closed, and not the one that runs", async () => {
    await use(1);
    const all = (await get("billing/uninvoiced")).body.data;
    expect(new Set(all.map((each: { periodId: string }) => each.periodId))).toEqual(new Set([periodId]));
    const running = (await get("billing/periods/current")).body.data;
    api.setTime(running.endsAt);
    const over = (await get("billing/uninvoiced")).body.data;
    api.setTime(null);
    expect(over.at(-1)).toMatchObject({ periodId: running.id, periodStatus: "open", total: "0.10" });
  });

  it("goes on page by page with many payers", async () => {
    for (let count = 0; count < 30; count += 1) {
      const made = await post("customers", { name: `Customer ${count}`, email: "a@b.example" });
      await use(10, made.body.data.id);
    }
    periodId = await closeCurrentPeriod(api, account.key);
    const page = (await createInvoices()).body.data;
    expect(page.outcomes.length).toBeLessThan(30);
    expect(page.nextCursor).toBe(page.outcomes.at(-1).customerId);
    let last = page;
    while (last.nextCursor !== null) last = (await createInvoices({ cursor: last.nextCursor })).body.data;
    expect(await uninvoiced()).toEqual([]);
    expect(stripe.all("invoice")).toHaveLength(30);
  }, 60_000);

  it("stops where Stripe answers for nobody, and goes on from there", async () => {
    await patch(`customers/${zeta}`, { email: "pay@zeta.example" });
    stripe.addFault({ on: "POST /v1/customers", kind: "close-before", times: 100 });
    expect(await createInvoices()).toMatchObject({
      status: 502,
      body: { code: "UPSTREAM_ERROR", error: expect.stringContaining("nobody else was tried") },
    });
    stripe.clearFaults();
    const done = await createInvoices();
    expect(done.body.data.outcomes.map(({ status }: { status: string }) => status)).toEqual([
      "invoiced",
      "invoiced",
      "invoiced",
    ]);
    expect(stripe.all("invoice")).toHaveLength(3);
  }, 60_000);

  it("makes one payer's invoice however many others there are, and says how many", async () => {
    const [usage] = await api.db.query<{ environment_id: string }>(
      "SELECT environment_id FROM usage_totals WHERE period_id = $1 LIMIT 1",
      [periodId],
    );
    await api.db.query(
      `WITH many AS (
         INSERT INTO customers (id, environment_id, name, metadata, created_at, updated_at)
         SELECT gen_random_uuid(), $2, 'Many', '{}', now(), now() FROM generate_series(1, 10001) RETURNING id
       )
       INSERT INTO usage_totals (environment_id, period_id, agent_id, customer_id, meter_id, day, quantity, event_count)
       SELECT $2, $1, one.agent_id, many.id, one.meter_id, one.day, 1, 1
       FROM many, (SELECT agent_id, meter_id, day FROM usage_totals WHERE period_id = $1 LIMIT 1) one`,
      [periodId, usage?.environment_id ?? ""],
    );
    await patch("account", { email: "pay@owner.example" });
    const made = await post(`billing/periods/${periodId}/invoice`);
    expect(made).toMatchObject({ status: 201, body: { data: { total: "2.60", status: "open" } } });
    expect(made.body.data.uninvoiced).toEqual({ payers: 10_003, currency: "usd" });
  }, 60_000);

  it("goes on behind payers whose drafts somebody changed in Stripe", async () => {
    await patch(`customers/${zeta}`, { email: "pay@zeta.example" });
    stripe.addFault({ on: "POST /v1/invoices/:id/finalize", kind: "400", times: 3 });
    await createInvoices();
    for (const item of stripe.all("invoiceitem")) stripe.change(item.id, { amount: 1 });
    const done = await createInvoices();
    expect(done).toMatchObject({ status: 200, body: { data: { nextCursor: null } } });
    for (const outcome of done.body.data.outcomes)
      expect(outcome).toMatchObject({ status: "failed", code: "CONFLICT" });
    expect(done.body.data.outcomes).toHaveLength(3);
  }, 60_000);

  it("proves that events, totals, lines and Stripe say the same, and says where they do not", async () => {
    await patch(`customers/${zeta}`, { email: "pay@zeta.example" });
    const { outcomes } = (await createInvoices()).body.data;
    const [first, second] = outcomes;
    const item = stripe.all("invoiceitem").find(({ invoice }) => invoice === first.invoice.stripeInvoiceId);
    stripe.change(item?.id ?? "", { amount: 1 });
    stripe.change(second.invoice.stripeInvoiceId, { status: "void" });
    await api.db.query(
      "UPDATE usage_totals SET quantity = quantity + 1 WHERE period_id = $1 AND customer_id IS NULL",
      [periodId],
    );
    expect((await check()).differences).toEqual([
      expect.objectContaining({
        kind: "events",
        customerId: null,
        expected: "26 in 1 events",
        found: "27 in 1 events",
      }),
      expect.objectContaining({ kind: "stripe", customerId: acme, expected: "30000", found: "1" }),
      expect.objectContaining({
        kind: "stripe",
        customerId: zeta,
        what: "status",
        expected: "open",
        found: "void",
      }),
      expect.objectContaining({ kind: "lines", customerId: null, expected: "27", found: "26" }),
    ]);
    stripe.deleteAllTestData();
    const gone = (await check()).differences.filter(
      ({ found }: { found: string }) => found === "deleted in Stripe",
    );
    expect(gone).toHaveLength(3);
  });

  it("is refused while the period is open, and of another account's", async () => {
    const { id } = (await get("billing/periods/current")).body.data;
    expect(await post(`billing/periods/${id}/invoices`)).toMatchObject({ status: 409 });
    expect(await get(`billing/periods/${id}/check`)).toMatchObject({ status: 409 });
    account = await api.createAccount();
    expect(await createInvoices()).toMatchObject({ status: 404 });
    expect(await uninvoiced()).toEqual([]);
  });
});
