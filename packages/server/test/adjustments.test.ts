import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { archiveMonth } from "../src/archive/archive-month.ts";
import { eraseCustomer } from "../src/customers/erase-customer.ts";
import { closeCurrentPeriod, startTestApi, type TestApi } from "./support/api.ts";
import { billedAccount, METER } from "./support/billed-account.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";

describeOnEachDatabase("adjustments on $name", (database) => {
  let stripe: StripeStandIn;
  let api: TestApi;
  beforeAll(async () => {
    stripe = await startStripeStandIn();
    api = await startTestApi(database, {
      logLevel: "silent",
      stripe: { apiKey: "sk_test_standin", baseUrl: stripe.url },
    });
  }, 60_000);
  afterEach(() => api.setTime(null));
  afterAll(async () => {
    await api.close();
    await stripe.close();
  });

  it("are billed together with the usage, which stays as it was, and stand on the line and in Stripe", async () => {
    const { key, get, make, customer, agentId, use, adjust, invoicesOf, check } = await billedAccount(api);
    await use(agentId, 100);
    const less = await adjust(agentId, -30, { reason: "pages that came out blank" });
    expect(less).toMatchObject({
      status: 201,
      body: {
        data: {
          agentId,
          customerId: customer,
          meterName: METER,
          quantity: -30,
          reason: "pages that came out blank",
          eventId: null,
        },
      },
    });
    await adjust(agentId, 5);
    const parts = { used: "100", adjusted: "-25", carriedIn: "0", carriedOver: "0" };
    const period = await get("billing/periods/current");
    expect(less.body.data.periodId).toBe(period.id);
    expect(period.totals).toEqual([{ meterName: METER, quantity: 75, parts, eventCount: 1 }]);
    expect(await get("usage/totals")).toEqual([{ meterName: METER, quantity: 100, eventCount: 1 }]);
    await closeCurrentPeriod(api, key);
    expect(await get(`billing/uninvoiced?periodId=${period.id}`)).toMatchObject([
      {
        total: "7.50",
        totalUsage: { [METER]: 75 },
        usage: [{ meterName: METER, quantity: 75, parts }],
      },
    ]);
    const [invoice] = await invoicesOf(period.id);
    expect(invoice).toMatchObject({
      total: "7.50",
      totalUsage: { [METER]: 75 },
      lines: [{ quantity: 75, parts, amount: "7.50", amountMinor: 750 }],
    });
    expect(stripe.all("invoiceitem").at(-1)).toMatchObject({
      amount: 750,
      description: expect.stringContaining("× 75 (100 used, -25 adjusted)"),
    });
    expect(await check(period.id)).toMatchObject({ invoices: 1, differences: [] });
    expect((await check(period.id)).differences).toEqual([]);
    const page = await fetch(`${api.url}/api/v1/billing/invoices/${invoice.id}/html`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(await page.text()).toContain("100 used, -25 adjusted");
    // A void one is made again of the same.
    await make(`billing/invoices/${invoice.id}/void`);
    expect(await invoicesOf(period.id)).toMatchObject([{ total: "7.50", lines: [{ quantity: 75, parts }] }]);
    const log = await get("audit-events?operation=billing.createAdjustment");
    expect(log).toHaveLength(2);
    expect(log[1].resourceIds).toContain(less.body.data.id);
  });

  it("carry over what they take away beyond the usage, until it is used up, and make no empty invoice", async () => {
    const { key, get, agentId, own, use, adjust, invoicesOf, check } = await billedAccount(api);
    await use(agentId, 10);
    await adjust(agentId, -25);
    await adjust(own, -3);
    const first = await closeCurrentPeriod(api, key);
    const made = await invoicesOf(first);
    expect(made).toMatchObject([
      {
        total: "0.00",
        lines: [{ quantity: 0, parts: { used: "10", adjusted: "-25", carriedIn: "0", carriedOver: "-15" } }],
      },
    ]);
    expect(made).toHaveLength(1);
    const second = await closeCurrentPeriod(api, key);
    expect(await get(`billing/uninvoiced?periodId=${second}`)).toEqual([]);
    expect(await invoicesOf(second)).toEqual([]);
    expect((await get(`billing/periods/${second}`)).totals).toEqual([
      {
        meterName: METER,
        quantity: 0,
        parts: { used: "0", adjusted: "0", carriedIn: "-18", carriedOver: "-18" },
        eventCount: 0,
      },
    ]);
    await use(agentId, 20);
    await adjust(own, 4);
    const third = await closeCurrentPeriod(api, key);
    expect(await invoicesOf(third)).toMatchObject([
      {
        total: "0.50",
        lines: [{ quantity: 5, parts: { used: "20", adjusted: "0", carriedIn: "-15", carriedOver: "0" } }],
      },
      {
        customerId: null,
        total: "0.10",
        lines: [{ quantity: 1, parts: { used: "0", adjusted: "4", carriedIn: "-3", carriedOver: "0" } }],
      },
    ]);
    for (const period of [first, second, third]) expect((await check(period)).differences).toEqual([]);
    await api.db.query(
      "UPDATE carried_adjustments SET quantity = -14 WHERE from_period_id = $1 AND quantity = -15",
      [first],
    );
    expect((await check(first)).differences).toMatchObject([
      { kind: "carried", meterName: METER, expected: "-15", found: "-14" },
    ]);
  });

  it("say how a period's total came about where those of two payers cancel each other out", async () => {
    const { key, get, agentId, own, adjust } = await billedAccount(api);
    await adjust(agentId, -5);
    await adjust(own, 5);
    const id = await closeCurrentPeriod(api, key);
    const parts = { used: "0", adjusted: "0", carriedIn: "0", carriedOver: "-5" };
    expect((await get(`billing/periods/${id}`)).totals).toEqual([
      { meterName: METER, quantity: 5, parts, eventCount: 0 },
    ]);
  });

  it("count in the period that is named while it is open, and never in a closed one", async () => {
    api.setTime("2026-03-10T12:00:00.000Z");
    const { get, make, agentId, use, adjust, invoicesOf } = await billedAccount(api);
    await use(agentId, 10);
    const { id: march } = await get("billing/periods/current");
    api.setTime("2026-04-02T12:00:00.000Z");
    const { id: april } = await get("billing/periods/current");
    expect((await adjust(agentId, -1)).body.data.periodId).toBe(april);
    expect((await adjust(agentId, -2, { periodId: march })).body.data.periodId).toBe(march);
    await make(`billing/periods/${march}/close`);
    expect(await adjust(agentId, -2, { periodId: march })).toMatchObject({
      status: 409,
      body: { code: "CONFLICT", error: expect.stringContaining("Leave periodId out") },
    });
    expect(await invoicesOf(march)).toMatchObject([{ lines: [{ quantity: 8 }] }]);
  });

  it("are billed to whoever had the agent at that time, where that is said", async () => {
    api.setTime("2026-03-10T12:00:00.000Z");
    const { key, get, make, customer, agentId, own, use, adjust, invoicesOf } = await billedAccount(api);
    await use(agentId, 50);
    const { id: march } = await get("billing/periods/current");
    api.setTime("2026-04-02T12:00:00.000Z");
    const other = await make("customers", { name: "Other" });
    await api.call("PATCH", `/api/v1/agents/${agentId}`, { token: key, body: { customerId: other.id } });
    const past = { periodId: march, customerId: customer };
    expect(await adjust(agentId, -40, past)).toMatchObject({
      status: 201,
      body: { data: { customerId: customer, periodId: march } },
    });
    expect((await adjust(agentId, -1)).body.data).toMatchObject({ customerId: other.id });
    expect((await adjust(agentId, 2, { customerId: null })).body.data).toMatchObject({ customerId: null });
    expect((await adjust(own, 3, { customerId: null })).body.data).toMatchObject({ customerId: null });
    await make(`billing/periods/${march}/close`);
    expect(await invoicesOf(march)).toMatchObject([{ customerId: customer, lines: [{ quantity: 10 }] }]);
    const stranger = await billedAccount(api);
    for (const customerId of [stranger.customer, "cus_1"]) {
      expect(await adjust(agentId, 1, { customerId })).toMatchObject({
        status: 404,
        body: { error: expect.stringContaining("customer") },
      });
    }
  });

  it("carry over into the month that is open already, wherever the close comes", async () => {
    api.setTime("2026-03-10T12:00:00.000Z");
    const { get, make, agentId, use, adjust } = await billedAccount(api);
    await use(agentId, 1);
    const { id: march } = await get("billing/periods/current");
    api.setTime("2026-04-02T12:00:00.000Z");
    const { id: april } = await get("billing/periods/current");
    await adjust(agentId, -5, { periodId: march });
    await make(`billing/periods/${march}/close`);
    expect((await get(`billing/periods/${april}`)).totals).toMatchObject([
      { quantity: 0, parts: { carriedIn: "-4" } },
    ]);
  });

  it("do not concern budgets", async () => {
    const { get, make, agentId, use, adjust } = await billedAccount(api);
    const budget = await make("budgets", { agentId, meterName: METER, limit: 10, window: "period" });
    await use(agentId, 10);
    await adjust(agentId, -10);
    expect(await get(`budgets/${budget.id}`)).toMatchObject({ used: 10, status: "exceeded" });
  });

  it.each([
    ["no reason", { reason: undefined }, 400, "reason"],
    ["an empty reason", { reason: " " }, 400, "reason"],
    ["nothing", { quantity: 0 }, 400, "quantity"],
    ["half a unit", { quantity: 0.5 }, 400, "quantity"],
    ["too much", { quantity: -1_000_000_001 }, 400, "quantity"],
    ["another meter", { meterName: "no_such_meter" }, 422, "no_such_meter"],
    ["no agent", { agentId: "01890a5d-ac96-774b-bcce-b302099a8057" }, 404, "agent"],
    ["no period", { periodId: "01890a5d-ac96-774b-bcce-b302099a8057" }, 404, "period"],
  ])("are refused: %s", async (_, change, status, word) => {
    const { get, agentId, adjust } = await billedAccount(api);
    const answer = await adjust(agentId, 1, change);
    expect(answer).toMatchObject({ status, body: { error: expect.stringContaining(word) } });
    expect(await get("billing/adjustments")).toEqual([]);
  });

  it("are made once under an Idempotency-Key, and listed page by page", async () => {
    const { account, call, get, customer, agentId, own, adjust } = await billedAccount(api);
    const body = { agentId, meterName: METER, quantity: -1, reason: "twice sent" };
    const send = () => call("POST", "billing/adjustments", body, { "idempotency-key": "once" });
    const first = await send();
    expect((await send()).body).toEqual(first.body);
    await adjust(own, 2);
    await adjust(agentId, 3);
    const all = await get("billing/adjustments");
    expect(all.map(({ quantity }: { quantity: number }) => quantity)).toEqual([3, 2, -1]);
    const page = await call("GET", "billing/adjustments?limit=2");
    expect(page.body.pagination).toEqual({ hasMore: true, nextCursor: all[1].id });
    expect(await get(`billing/adjustments?limit=2&cursor=${all[1].id}`)).toEqual([all[2]]);
    for (const filter of [`customerId=${customer}`, `agentId=${agentId}`]) {
      expect(await get(`billing/adjustments?${filter}`)).toEqual([all[0], all[2]]);
    }
    expect(await get(`billing/adjustments?agentId=${own}&meterName=${METER}`)).toEqual([all[1]]);
    const reading = await api.createKey(account, "test", ["usage:write", "billing:read"]);
    const refused = await api.call("POST", "/api/v1/billing/adjustments", { token: reading, body });
    expect(refused.status).toBe(403);
  });

  it("refund an event once, whoever asks at once, in its own period while that is open", async () => {
    const { key, get, customer, agentId, use, refund, invoicesOf, check } = await billedAccount(api);
    const event = await use(agentId, 7);
    await use(agentId, 3);
    const answers = await Promise.all(Array.from({ length: 6 }, () => refund(event.id)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409, 409, 409, 409, 409]);
    const made = answers.find(({ status }) => status === 201)?.body.data;
    expect(made).toMatchObject({
      agentId,
      customerId: customer,
      meterName: METER,
      quantity: -7,
      periodId: event.periodId,
      eventId: event.id,
      reason: "an empty answer",
    });
    const told = answers.find(({ status }) => status === 409)?.body;
    expect(told).toMatchObject({ code: "CONFLICT", details: { adjustmentId: made.id } });
    expect(await get(`billing/adjustments?eventId=${event.id}`)).toEqual([made]);
    expect(await get(`usage/events?agentId=${agentId}`)).toHaveLength(2);
    const first = await closeCurrentPeriod(api, key);
    expect(await invoicesOf(first)).toMatchObject([{ lines: [{ quantity: 3 }] }]);
    expect((await check(first)).differences).toEqual([]);
  });

  it("that race closes, from two processes, are in one period each", async () => {
    const { key, get, agentId, use, invoicesOf, check } = await billedAccount(api);
    const events = await Promise.all(Array.from({ length: 8 }, () => use(agentId, 5)));
    const peer = database.name === "PostgreSQL" ? await api.startPeer() : undefined;
    const post = async (path: string, body: object, turn: number) => {
      const target = turn % 2 === 0 || peer === undefined ? api : peer;
      const answer = await target.call("POST", `/api/v1/${path}`, { token: key, body });
      return answer.status;
    };
    try {
      const changes = events.flatMap(({ id }, turn) => [
        post(`usage/events/${id}/refund`, { reason: "race" }, 0),
        post(`usage/events/${id}/refund`, { reason: "race" }, 1),
        post("billing/adjustments", { agentId, meterName: METER, quantity: turn - 5, reason: "race" }, turn),
      ]);
      const closed = [await closeCurrentPeriod(api, key), await closeCurrentPeriod(api, key)];
      const statuses = await Promise.all(changes);
      expect(statuses.filter((status) => status === 409)).toHaveLength(8);
      expect(statuses.filter((status) => status === 201)).toHaveLength(15);
      expect(statuses.filter((status) => status >= 400 && status !== 409)).toEqual([400]); // of nothing
      await use(agentId, 100);
      closed.push(await closeCurrentPeriod(api, key));
      let billed = 0;
      for (const id of closed) {
        for (const { lines } of await invoicesOf(id)) billed += lines[0].quantity;
        expect((await check(id)).differences).toEqual([]);
      }
      const made = await get("billing/adjustments?limit=100");
      expect(made.reduce((sum: number, { quantity }: { quantity: number }) => sum + quantity, 140)).toBe(
        billed,
      );
    } finally {
      await peer?.close();
    }
  });

  it("refund an event of a closed period on the next invoice, for whoever was to pay for it", async () => {
    const { key, get, make, customer, agentId, use, refund } = await billedAccount(api);
    const event = await use(agentId, 7);
    await closeCurrentPeriod(api, key);
    const other = await make("customers", { name: "Other" });
    await api.call("PATCH", `/api/v1/agents/${agentId}`, { token: key, body: { customerId: other.id } });
    const { id: open } = await get("billing/periods/current");
    expect((await refund(event.id)).body.data).toMatchObject({ periodId: open, customerId: customer });
  });

  it("refund neither a stranger's event nor one that is not there", async () => {
    const one = await billedAccount(api);
    const stranger = await billedAccount(api);
    const event = await stranger.use(stranger.own, 1);
    for (const id of [event.id, "01890a5d-ac96-774b-bcce-b302099a8057", "evt_1"]) {
      expect(await one.refund(id)).toMatchObject({ status: 404, body: { code: "NOT_FOUND" } });
    }
    expect((await one.refund(event.id, "")).status).toBe(400);
    expect(await stranger.get("billing/adjustments")).toEqual([]);
  });

  it("leave nothing of what they say of an erased customer, and are billed before", async () => {
    const { key, customer, agentId, adjust, invoicesOf } = await billedAccount(api);
    await adjust(agentId, 3, { reason: "Canary asked for it" });
    const making = { newId: () => uuidv7(), now: new Date(), actor: "cli" } as const;
    expect(await eraseCustomer(api.db, customer, making)).toMatchObject({ outcome: "not-invoiced" });
    await invoicesOf(await closeCurrentPeriod(api, key));
    await adjust(agentId, -1);
    expect(await eraseCustomer(api.db, customer, making)).toMatchObject({ outcome: "erased" });
    const reasons = await api.db.query("SELECT DISTINCT reason FROM adjustments WHERE customer_id = $1", [
      customer,
    ]);
    expect(reasons).toEqual([{ reason: "Erased" }]);
  });
});

describeOnEachDatabase("an archived event on $name", (database) => {
  it("is not refunded, but for one that was before", async () => {
    const api = await startTestApi(database, { logLevel: "silent" });
    try {
      const { key, agentId, use, refund, adjust, invoicesOf } = await billedAccount(api);
      const [refunded, kept] = [await use(agentId, 2), await use(agentId, 3)];
      expect((await refund(refunded.id)).status).toBe(201);
      await invoicesOf(await closeCurrentPeriod(api, key));
      const month = kept.createdAt.slice(0, 7);
      const directory = await mkdtemp(join(tmpdir(), "licentric-archive-"));
      const now = new Date(Date.now() + 200 * 86_400_000);
      const making = { now, newId: () => uuidv7(), actor: "cli" } as const;
      await archiveMonth(api.db, { month, directory }, making);
      await rm(directory, { recursive: true });
      expect(await refund(kept.id)).toMatchObject({
        status: 422,
        body: { code: "UNPROCESSABLE", error: expect.stringContaining(month) },
      });
      expect((await refund(refunded.id)).status).toBe(409);
      expect((await adjust(agentId, -3)).status).toBe(201);
    } finally {
      await api.close();
    }
  }, 60_000);
});
