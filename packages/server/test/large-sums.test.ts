import { MAX_QUANTITY } from "@licentric/contract";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { closeCurrentPeriod, createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";

const LARGEST = Number.MAX_SAFE_INTEGER;

describeOnEachDatabase("sums that no number holds on $name", (database) => {
  let stripe: StripeStandIn;
  let api: TestApi;
  /** Of live data, which has no Stripe here. */
  let key: string;
  let testKey: string;
  beforeAll(async () => {
    stripe = await startStripeStandIn();
    api = await startTestApi(database, { stripe: { apiKey: "sk_test_standin", baseUrl: stripe.url } });
  }, 60_000);
  beforeEach(async () => {
    stripe.reset();
    ({ key: testKey, liveKey: key } = await api.createAccount());
  });
  afterAll(async () => {
    await api.close();
    await stripe.close();
  });

  const post = (path: string, body?: object, as = key) =>
    api.call("POST", `/api/v1${path}`, { token: as, body });
  const get = async (path: string, as = key) => {
    const { status, body } = await api.call("GET", `/api/v1${path}`, { token: as });
    expect({ path, status }).toEqual({ path, status: 200 });
    return body.data;
  };
  const setUpMeter = async (unitPrice: string, as = key) => {
    const [{ id }] = await get("/meters?name=api_calls", as);
    await post(`/meters/${id}/prices`, { price: { model: "per_unit", unitPrice } }, as);
    const body = { maxQuantityPerCall: MAX_QUANTITY };
    await api.call("PATCH", `/api/v1/meters/${id}`, { token: as, body });
  };
  const use = async (token: string, quantity: number) => {
    const answer = await api.call("POST", "/api/v1/mcp/verify", {
      token,
      body: { meterName: "api_calls", quantity },
    });
    expect(answer.status).toBe(200);
  };
  /** As if the agents had used so much: by itself, it would take days. */
  const setTotals = (agentIds: readonly string[], quantity: string) =>
    api.db.query("UPDATE usage_totals SET quantity = $2::bigint WHERE agent_id = ANY ($1::uuid[])", [
      agentIds,
      quantity,
    ]);

  it("do not keep one agent from being invoiced because of another's usage: the amount is exact", async () => {
    await setUpMeter("1000000");
    const { id: customerId } = (await post("/customers", { name: "Ada" })).body.data;
    const wild = await createAuthorizedAgent(api, key);
    const tame = await createAuthorizedAgent(api, key);
    const theirs = await createAuthorizedAgent(api, key);
    await api.call("PATCH", `/api/v1/agents/${theirs.agentId}`, { token: key, body: { customerId } });
    await Promise.all(Array.from({ length: 120 }, () => use(wild.token, MAX_QUANTITY)));
    await use(tame.token, 1);
    await use(theirs.token, 2);

    const periodId = await closeCurrentPeriod(api, key);
    const made = await post(`/billing/periods/${periodId}/invoice`);
    const { uninvoiced, ...own } = made.body.data;
    expect(uninvoiced).toEqual({ payers: 1, currency: "usd", total: "2000000.00" });
    expect(made).toMatchObject({
      status: 201,
      body: {
        data: {
          status: "computed",
          total: "120000000001000000.00",
          totalUsage: { api_calls: 120_000_000_001 },
          lines: [
            {
              quantity: 120_000_000_001,
              amount: "120000000001000000.00",
              amountMinor: 12_000_000_000_100_000_000,
            },
          ],
        },
      },
    });
    expect(own.lines[0]).not.toHaveProperty("quantityDecimal");
    const customers = await post(`/billing/periods/${periodId}/invoice`, { customerId });
    expect(customers.body.data).toMatchObject({ total: "2000000.00" });
    expect(await get(`/billing/invoices/${own.id}`)).toEqual(own);
    expect(await get("/billing/invoices")).toEqual([customers.body.data, own]);
  });

  it("can be credited, in parts that a number holds, and read afterwards", async () => {
    await setUpMeter("180143985094819.84");
    const { token } = await createAuthorizedAgent(api, key);
    await use(token, 1);
    const periodId = await closeCurrentPeriod(api, key);
    const { id, total } = (await post(`/billing/periods/${periodId}/invoice`)).body.data;
    expect(total).toBe("180143985094819.84");
    const credit = (amount: string) => post(`/billing/invoices/${id}/credit-notes`, { amount });
    expect(await credit("90071992547409.92")).toMatchObject({
      status: 422,
      body: { error: expect.stringContaining("90071992547409.91") },
    });
    for (const amount of ["90071992547409.91", "90071992547409.91"])
      expect((await credit(amount)).status).toBe(201);
    expect(await credit("0.03")).toMatchObject({
      status: 422,
      body: { error: expect.stringContaining("what is left of the invoice, 0.02 usd") },
    });
    expect((await credit("0.02")).status).toBe(201);
    expect(await get(`/billing/invoices/${id}`)).toMatchObject({ credited: total });
    expect(await get("/billing/invoices")).toMatchObject([{ id, credited: total }]);
  });

  it("of quantities are told as the nearest number, with the exact one beside it", async () => {
    await setUpMeter("0.01");
    const agents = [await createAuthorizedAgent(api, key), await createAuthorizedAgent(api, key)];
    for (const { token } of agents) await use(token, 1);
    await setTotals([agents[0]?.agentId ?? ""], "9007199254740991");
    await setTotals([agents[1]?.agentId ?? ""], "2");
    const sum = { quantity: 9_007_199_254_740_992, quantityDecimal: "9007199254740993" };
    const exactly = [{ meterName: "api_calls", ...sum, eventCount: 2 }];
    expect(await get("/usage/totals")).toEqual(exactly);
    expect(await get("/usage/totals?groupBy=agent")).toEqual([
      { meterName: "api_calls", agentId: agents[0]?.agentId, quantity: LARGEST, eventCount: 1 },
      { meterName: "api_calls", agentId: agents[1]?.agentId, quantity: 2, eventCount: 1 },
    ]);
    expect((await get("/billing/periods/current")).totals).toEqual(exactly);
    const periodId = await closeCurrentPeriod(api, key);
    expect(await get("/billing/periods?status=closed")).toMatchObject([{ id: periodId, totals: exactly }]);
    expect(await get("/billing/uninvoiced")).toMatchObject([
      { totalUsage: { api_calls: sum.quantity }, usage: [{ meterName: "api_calls", ...sum }] },
    ]);
    const invoice = (await post(`/billing/periods/${periodId}/invoice`)).body.data;
    expect(invoice).toMatchObject({
      total: "90071992547409.93",
      totalUsage: { api_calls: sum.quantity },
      lines: [{ ...sum, amount: "90071992547409.93", amountMinor: 9_007_199_254_740_992 }],
    });
    const page = await fetch(`${api.url}/api/v1/billing/invoices/${invoice.id}/html`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const space = "\u202f";
    expect(await page.text()).toContain(["9", "007", "199", "254", "740", "993"].join(space));
  });

  it("are still added up where they pass what a database's whole number holds", async () => {
    await setUpMeter("0.01");
    const agents = await Promise.all(Array.from({ length: 8 }, () => createAuthorizedAgent(api, key)));
    for (const { token } of agents) await use(token, 1);
    const {
      environment_id: environmentId,
      period_id: periodId,
      meter_id: meterId,
    } = (
      await api.db.query<Record<string, string>>(
        "SELECT environment_id, period_id, meter_id FROM usage_totals WHERE agent_id = $1",
        [agents[0]?.agentId ?? ""],
      )
    )[0] ?? {};
    // Each of the agents with the most that a day takes, on 200 days: more than 2^63 together.
    await api.db.query(
      `INSERT INTO usage_totals (environment_id, period_id, agent_id, meter_id, day, quantity, event_count)
       SELECT $1, $2, a.id, $3, date '2000-01-01' + d, 9007199254740991, 1
       FROM unnest($4::uuid[]) AS a (id), generate_series(1, 200) AS d`,
      [environmentId ?? "", periodId ?? "", meterId ?? "", agents.map(({ agentId }) => agentId)],
    );
    const quantityDecimal = String(9_007_199_254_740_991n * 1_600n + 8n);
    expect(await get("/usage/totals")).toMatchObject([
      { quantityDecimal, quantity: Number(quantityDecimal) },
    ]);
    await closeCurrentPeriod(api, key);
    const { lines } = (await post(`/billing/periods/${periodId}/invoice`)).body.data;
    const cents = `${quantityDecimal.slice(0, -2)}.${quantityDecimal.slice(-2)}`;
    expect(lines).toMatchObject([{ quantityDecimal, amount: cents }]);
  });

  it("are not sent to Stripe, which has no such amounts, and hold up no other payer there", async () => {
    await setUpMeter("1000", testKey);
    const payers: { customerId: string; agentId: string; token: string }[] = [];
    for (const name of ["Ada", "Grace"]) {
      const payer = { name, email: `${name}@example.com` };
      const { id: customerId } = (await post("/customers", payer, testKey)).body.data;
      const agent = await createAuthorizedAgent(api, testKey);
      await api.call("PATCH", `/api/v1/agents/${agent.agentId}`, { token: testKey, body: { customerId } });
      await use(agent.token, 1);
      payers.push({ customerId, ...agent });
    }
    const [wild, tame] = payers.map(({ customerId }) => customerId);
    await setTotals([payers[0]?.agentId ?? ""], "120000000000");
    const periodId = await closeCurrentPeriod(api, testKey);
    const create = (customerId: string | undefined) =>
      post(`/billing/periods/${periodId}/invoice`, { customerId }, testKey);
    expect(await create(wild)).toMatchObject({ status: 422, body: { code: "UNPROCESSABLE" } });
    expect(stripe.requests).toEqual([]);
    const [computed] = await get("/billing/invoices", testKey);
    expect(computed).toMatchObject({ status: "computed", total: "120000000000000.00" });
    expect(await create(tame)).toMatchObject({ status: 201, body: { data: { total: "1000.00" } } });

    // The owner's way out: another price for the period, and the invoice again.
    expect((await post(`/billing/invoices/${computed.id}/void`, undefined, testKey)).status).toBe(200);
    const { startsAt: effectiveFrom } = await get(`/billing/periods/${periodId}`, testKey);
    const [{ id: meterId }] = await get("/meters?name=api_calls", testKey);
    const price = { model: "per_unit", unitPrice: "0.000005" };
    await post(`/meters/${meterId}/prices`, { price, effectiveFrom }, testKey);
    expect(await create(wild)).toMatchObject({
      status: 201,
      body: { data: { status: "open", total: "600000.00" } },
    });
  });
});
