import { randomUUID } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { createBudgetedRecorder } from "../src/metering/budgeted-recorder.ts";
import { createRecorder } from "../src/metering/recorder.ts";
import { measureDatabase } from "../src/store/measure-database.ts";
import { closeCurrentPeriod, createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

interface Agent {
  readonly agentId: string;
  readonly token: string;
}

/** Ten free, ten at 0.30, and the rest at 0.10. */
const TIERS = {
  model: "graduated",
  tiers: [
    { upTo: 10, unitPrice: "0" },
    { upTo: 20, unitPrice: "0.30" },
    { upTo: null, unitPrice: "0.10" },
  ],
};

describeOnEachDatabase("budgets in money on $name", (database) => {
  let api: TestApi;
  let key: string;
  let customerId: string;
  let first: Agent;
  let second: Agent;
  beforeAll(async () => {
    api = await startTestApi(database);
  }, 60_000);
  beforeEach(() => start());
  afterEach(() => api.setTime(null));
  afterAll(() => api.close());

  const call = (method: "GET" | "POST" | "PATCH" | "DELETE", path: string, body?: unknown) =>
    api.call(method, `/api/v1${path}`, { token: key, body });
  const createMeter = async (name: string, price: object | undefined) => {
    expect((await call("POST", "/meters", { name, price })).status).toBe(201);
  };
  async function start(currency = "eur") {
    ({ key } = await api.createAccount({ currency }));
    customerId = (await call("POST", "/customers", { name: "Acme" })).body.data.id;
    const createAgent = async () => {
      const agent = await createAuthorizedAgent(api, key, { expiresIn: 5_000_000 });
      await call("PATCH", `/agents/${agent.agentId}`, { customerId });
      return agent;
    };
    [first, second] = [await createAgent(), await createAgent()];
    await createMeter("pages", { model: "per_unit", unitPrice: "0.25" });
    await createMeter("tiers", TIERS);
    await createMeter("free", undefined);
  }

  const createBudget = async (budget: object) => {
    const made = await call("POST", "/budgets", { agentId: first.agentId, enforced: true, ...budget });
    expect(made.status).toBe(201);
    return made.body.data;
  };
  const ofCustomer = (budget: object) => createBudget({ agentId: undefined, customerId, ...budget });
  const stateOf = async (id: string) => (await call("GET", `/budgets/${id}`)).body.data;
  const usedOf = async (id: string) => (await stateOf(id)).amounts.used;
  const mcp = (path: string, { token }: Agent, body: object, at: Pick<TestApi, "call"> = api) =>
    at.call("POST", `/api/v1/mcp${path}`, { token, body });
  const verify = (agent: Agent, meterName: string, quantity = 1, at?: Pick<TestApi, "call">) =>
    mcp("/verify", agent, { meterName, quantity }, at);
  const statusOf = async (...args: Parameters<typeof verify>) => (await verify(...args)).status;

  it("are created, read, listed, changed and removed", async () => {
    await verify(first, "pages", 3);
    const made = await call("POST", "/budgets", { agentId: first.agentId, amount: "10.00" });
    const { id } = made.body.data;
    expect(made).toMatchObject({
      status: 201,
      body: {
        data: {
          ...{ agentId: first.agentId, customerId: null, meterName: null, window: "period", enforced: false },
          ...{ limit: 1_000, used: 75, remaining: 925, status: "ok", warnAtPercent: 80 },
          amounts: { currency: "eur", limit: "10.00", used: "0.75", remaining: "9.25" },
        },
      },
    });
    expect(await call("POST", "/budgets", { agentId: first.agentId, amount: "1" })).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining("in money of all meters") },
    });
    const units = await createBudget({ meterName: "pages", limit: 9 });
    const shared = await ofCustomer({ meterName: "pages", amount: "0.0005", window: "total" });
    expect(shared).toMatchObject({ customerId, meterName: "pages", shared: true, limit: 0, used: 75 });
    const idsOf = async (query: string) =>
      (await call("GET", `/budgets?${query}`)).body.data.map((budget: { id: string }) => budget.id);
    expect(await idsOf("")).toEqual([shared.id, units.id, id]);
    expect(await idsOf(`agentId=${first.agentId}`)).toEqual([units.id, id]);
    const changed = await call("PATCH", `/budgets/${id}`, { amount: "0.75", enforced: true });
    expect(changed.body.data).toMatchObject({ limit: 75, remaining: 0, status: "exceeded", enforced: true });
    for (const [budget, change] of [
      [id, { limit: 1 }],
      [units.id, { amount: "1" }],
    ] as const) {
      expect(await call("PATCH", `/budgets/${budget}`, change)).toMatchObject({
        status: 422,
        body: { error: expect.stringContaining("This budget is in") },
      });
    }
    expect(await call("DELETE", `/budgets/${id}`)).toMatchObject({ status: 200, body: { data: { id } } });
    expect((await call("GET", `/budgets/${id}`)).status).toBe(404);
  });

  it.each([
    [{ amount: "1", limit: 1, meterName: "pages" }, "either limit or amount"],
    [{ meterName: "pages" }, "either limit or amount"],
    [{ limit: 1 }, "send its name"],
    [{ amount: "-1" }, "decimal"],
  ])("refuse %j", async (body, sentence) => {
    const answer = await call("POST", "/budgets", { agentId: first.agentId, ...body });
    expect(answer).toMatchObject({ status: 400, body: { error: expect.stringContaining(sentence) } });
  });

  it("price a call by what it adds to the period, to the tier", async () => {
    await createBudget({ amount: "3.10" });
    expect(await statusOf(first, "tiers", 12)).toBe(200);
    expect(await statusOf(first, "tiers", 7)).toBe(200);
    const refused = await verify(first, "tiers", 6);
    expect(refused).toMatchObject({
      status: 402,
      body: {
        code: "BUDGET_EXCEEDED",
        error: expect.stringContaining(
          "The agent's budget of 3.10 EUR per period is used up: 2.7 are used or held, and 0.8 more do not fit.",
        ),
        details: { budget: { meterName: "tiers", limit: 310, used: 270, amounts: { remaining: "0.4" } } },
      },
    });
    expect(await verify(first, "tiers", 2)).toMatchObject({
      status: 200,
      body: { data: { budget: { used: 310, status: "exceeded", amounts: { used: "3.1", remaining: "0" } } } },
    });
    expect(await statusOf(first, "tiers")).toBe(402);
  });

  it("compare what is not rounded, and tell what is left rounded down", async () => {
    await createMeter("tokens", { model: "per_unit", unitPrice: "0.0033" });
    const { id } = await createBudget({ amount: "0.01" });
    for (const status of [200, 200, 200, 402]) expect(await statusOf(first, "tokens")).toBe(status);
    expect(await stateOf(id)).toMatchObject({
      ...{ limit: 1, used: 1, remaining: 0, status: "warning" },
      amounts: { used: "0.0099", remaining: "0.0001" },
    });
  });

  it("count all meters together or one, and let pass what costs nothing", async () => {
    await createBudget({ amount: "1" });
    await createBudget({ amount: "0.30", meterName: "tiers" });
    expect(await statusOf(first, "tiers", 11)).toBe(200);
    expect(await verify(first, "tiers")).toMatchObject({
      status: 402,
      body: { error: expect.stringContaining('0.30 EUR for "tiers" per period') },
    });
    expect(await statusOf(first, "pages", 2)).toBe(200);
    expect(await statusOf(first, "pages", 1)).toBe(402);
    expect(await statusOf(first, "free", 1_000)).toBe(200);
    expect(await statusOf(second, "pages", 1_000)).toBe(200);
  });

  it("say of a call that costs more than the whole amount that waiting does not help", async () => {
    await createBudget({ amount: "1.00", window: "day" });
    expect(await verify(first, "pages", 5)).toMatchObject({
      status: 402,
      body: {
        error: expect.stringContaining("The agent's budget of 1.00 EUR per day is less than 1.25 in all"),
        details: { budget: { resetsAt: null } },
      },
    });
    expect(await statusOf(first, "pages", 4)).toBe(200);
    expect((await verify(first, "pages")).body.details.budget.resetsAt).toEqual(expect.any(String));
  });

  it("of a customer price its agents together, as its invoice does", async () => {
    const { id } = await ofCustomer({ amount: "5.00" });
    const own = await createBudget({ amount: "9" });
    expect(await statusOf(first, "tiers", 9)).toBe(200);
    expect(await statusOf(second, "tiers", 9)).toBe(200);
    expect(await statusOf(first, "pages", 9)).toBe(200);
    expect([await usedOf(id), await usedOf(own.id)]).toEqual(["4.65", "2.25"]);
    const refused = await verify(second, "pages", 2);
    expect(refused.body.details.budget).toMatchObject({ shared: true, amounts: { used: "4.65" } });
    const periodId = await closeCurrentPeriod(api, key);
    const invoice = await call("POST", `/billing/periods/${periodId}/invoice`, { customerId });
    expect(invoice.body.data.total).toBe("4.65");
    expect([await usedOf(id), await usedOf(own.id)]).toEqual(["0", "0"]);
  });

  it("count what is held, until it is given back or billed", async () => {
    const { id } = await ofCustomer({ amount: "2" });
    const hold = async (agent: Agent, quantity: number) =>
      mcp("/reserve", agent, { meterName: "pages", quantity, expiresIn: 60 });
    const own = (await hold(first, 6)).body.data.reservation.id;
    expect((await hold(second, 3)).status).toBe(402);
    const others = (await hold(second, 2)).body.data.reservation.id;
    expect(await usedOf(id)).toBe("2");
    expect(await statusOf(first, "pages")).toBe(402);
    await mcp(`/reservations/${own}/release`, first, {});
    expect(await usedOf(id)).toBe("0.5");
    expect((await mcp(`/reservations/${others}/commit`, second, { quantity: 1 })).status).toBe(200);
    expect(await usedOf(id)).toBe("0.25");
    expect(await statusOf(first, "pages", 7)).toBe(200);
  });

  it("count a hold with the most that can come of it, where less costs more by volume", async () => {
    const tiers = [
      { upTo: 100, unitPrice: "1" },
      { upTo: null, unitPrice: "0.5" },
    ];
    await createMeter("volume", { model: "volume", tiers });
    const { id } = await ofCustomer({ amount: "60" });
    const hold = async (quantity: number) => {
      const { status, body } = await mcp("/reserve", second, {
        meterName: "volume",
        quantity,
        expiresIn: 60,
      });
      return { status, id: body.data?.reservation.id };
    };
    // Committed as 100 it would cost 100, and as 120 no more than 60.
    expect((await hold(120)).status).toBe(402);
    const held = await hold(20);
    expect(held.status).toBe(201);
    expect(await statusOf(first, "volume", 100)).toBe(402);
    expect(await statusOf(first, "volume", 40)).toBe(200);
    expect(await usedOf(id)).toBe("60");
    await mcp(`/reservations/${held.id}/release`, second, {});
    expect(await usedOf(id)).toBe("40");
    expect(await statusOf(first, "volume", 80)).toBe(200);
    expect(await usedOf(id)).toBe("60");
  });

  it("start again with their window, and go on in the period's tiers from day to day", async () => {
    api.setTime("2026-06-10T12:00:00.000Z");
    await start();
    const ids: string[] = [];
    for (const window of ["day", "period", "total"]) {
      ids.push((await createBudget({ amount: "100", window })).id);
    }
    const used = () => Promise.all(ids.map(usedOf));
    await verify(first, "tiers", 15);
    expect(await used()).toEqual(["1.5", "1.5", "1.5"]);
    api.setTime("2026-06-11T12:00:00.000Z");
    expect(await used()).toEqual(["0", "1.5", "1.5"]);
    await verify(first, "tiers", 10);
    expect(await used()).toEqual(["2", "3.5", "3.5"]);
    const { id } = (await call("GET", "/billing/periods/current")).body.data;
    await call("POST", `/billing/periods/${id}/close`);
    expect(await used()).toEqual(["2", "0", "3.5"]);
    await verify(first, "tiers", 11);
    expect(await used()).toEqual(["2.3", "0.3", "3.8"]);
    api.setTime("2026-07-02T12:00:00.000Z");
    expect(await statusOf(first, "tiers", 20)).toBe(200);
    expect(await used()).toEqual(["3", "3", "6.8"]);
  });

  it("follow a price that takes effect with the next period", async () => {
    api.setTime("2026-06-10T12:00:00.000Z");
    await start();
    const { id } = await createBudget({ amount: "1", window: "total" });
    await verify(first, "pages", 2);
    api.setTime("2026-06-12T12:00:00.000Z");
    const [{ id: meterId }] = (await call("GET", "/meters?name=pages")).body.data;
    await call("POST", `/meters/${meterId}/prices`, { price: { model: "per_unit", unitPrice: "0.01" } });
    expect(await usedOf(id)).toBe("0.5");
    api.setTime("2026-07-10T12:00:00.000Z");
    expect(await statusOf(first, "pages", 50)).toBe(200);
    expect(await usedOf(id)).toBe("1");
    expect(await statusOf(first, "pages")).toBe(402);
  });

  it("warn, flag what the owner's key reports, and tell webhooks once", async () => {
    await api.db.query(
      `INSERT INTO webhooks (id, environment_id, url, events, enabled, secret_key_id, metadata, created_at, updated_at)
       SELECT $1, environment_id, 'https://webhooks.invalid/', '{budget.warning,budget.exceeded}', true, 'k', '{}',
         created_at, created_at FROM agents WHERE id = $2`,
      [randomUUID(), first.agentId],
    );
    const { id } = await ofCustomer({ amount: "2.00" });
    const report = async (agent: Agent, quantity: number, meterName = "pages") => {
      const events = [{ agentId: agent.agentId, meterName, quantity }];
      return (await call("POST", "/usage/events", { events })).body.data.results[0];
    };
    expect(await report(first, 7)).not.toHaveProperty("overBudget");
    expect(await report(second, 2)).toMatchObject({ overBudget: true });
    await report(second, 2);
    expect(await report(second, 2, "free")).not.toHaveProperty("overBudget");
    const rows = await api.db.query<{ body: string }>(
      `SELECT body FROM webhook_deliveries
       WHERE environment_id = (SELECT environment_id FROM agents WHERE id = $1) ORDER BY event_id`,
      [first.agentId],
    );
    const told = rows.map(({ body }) => JSON.parse(body));
    expect(told.map(({ type }) => type)).toEqual(["budget.warning", "budget.exceeded"]);
    expect(told[1].data).toMatchObject({ id, customerId, meterName: null, amounts: { used: "2.25" } });
  });

  it("are told to the agent that asks", async () => {
    await createBudget({ amount: "5", window: "total" });
    await ofCustomer({ amount: "7", window: "total", meterName: "pages" });
    await verify(second, "pages", 2);
    const { budgets } = (await api.call("GET", "/api/v1/mcp/me", { token: first.token })).body.data;
    const common = { window: "total", status: "ok", enforced: true, resetsAt: null };
    expect(budgets).toEqual([
      {
        ...{ ...common, meterName: null, limit: 500, used: 0, remaining: 500 },
        amounts: { currency: "eur", limit: "5", used: "0", remaining: "5" },
      },
      {
        ...{ ...common, meterName: "pages", limit: 700, used: 50, remaining: 650, shared: true },
        amounts: { currency: "eur", limit: "7", used: "0.5", remaining: "6.5" },
      },
    ]);
  });

  it("count in the currency's own minor unit", async () => {
    await start("jpy");
    const { id } = await createBudget({ amount: "100" });
    await verify(first, "pages", 3);
    expect(await stateOf(id)).toMatchObject({
      limit: 100,
      used: 1,
      remaining: 99,
      amounts: { used: "0.75" },
    });
  });

  it("are checked in the first call of a period, too", async () => {
    api.setTime("2026-08-01T00:00:01.000Z");
    await start();
    await ofCustomer({ amount: "0.50", window: "day" });
    const answers = await Promise.all(Array.from({ length: 8 }, () => verify(first, "pages")));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(2);
  });

  it("admit exactly what fits of 50 calls of several agents at once", async () => {
    const { id } = await ofCustomer({ amount: "5.00" });
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => verify(index % 2 === 0 ? first : second, "pages")),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(20);
    expect(answers.filter(({ status }) => status === 402)).toHaveLength(30);
    expect(await usedOf(id)).toBe("5");
  });

  it("cost no statement more than an agent's own in units, and nothing where there is none", async () => {
    const names: string[] = [];
    const db = measureDatabase(api.db, (name) => names.push(name));
    const options = { db, now: () => new Date(), newId: () => uuidv7() };
    const [row] = await api.db.query<{ environment_id: string }>(
      "SELECT environment_id FROM agents WHERE id = $1",
      [first.agentId],
    );
    const event = (quantity = 1) => ({
      ...{
        id: uuidv7(),
        environmentId: row?.environment_id ?? "",
        agentId: first.agentId,
        meterName: "pages",
      },
      ...{ quantity, byAgent: true, idempotencyKey: null, occurredAt: null, metadata: null },
    });
    /** The statements of a call, once a period runs and no threshold is told. */
    const statementsOf = async (run: () => Promise<unknown>) => {
      await run();
      names.length = 0;
      await run();
      return [...names];
    };
    expect(await statementsOf(() => createRecorder(options)(event()))).toEqual(["record-events"]);
    const budgeted = () => createBudgetedRecorder(options)({ ...event(), mustFit: "enforced" });
    await createBudget({ meterName: "pages", limit: 1_000 });
    const ofUnits = await statementsOf(budgeted);
    expect(ofUnits.toSorted()).toEqual([
      "lock-budgets",
      "read-locked-budgets",
      "record-events",
      "transaction",
    ]);
    await ofCustomer({ meterName: "pages", limit: 1_000 });
    await ofCustomer({ amount: "1000" });
    await createBudget({ amount: "1000", window: "day" });
    expect((await statementsOf(budgeted)).toSorted()).toEqual(ofUnits.toSorted());
  });

  it("price usage by the customer's own price, of the customer and of its agents alone", async () => {
    const [meter] = (await call("GET", "/meters?name=pages")).body.data;
    const ofNobody = await createAuthorizedAgent(api, key);
    const budgets = [
      await createBudget({ amount: "1.00" }),
      await ofCustomer({ amount: "1.00" }),
      await createBudget({ amount: "1.00", agentId: ofNobody.agentId }),
    ];
    const { startsAt } = (await call("GET", "/billing/periods/current")).body.data;
    const own = { price: { model: "per_unit", unitPrice: "0.10" }, customerId, effectiveFrom: startsAt };
    expect((await call("POST", `/meters/${meter.id}/prices`, own)).status).toBe(201);
    expect(await statusOf(first, "pages", 10)).toBe(200);
    expect(await statusOf(first, "pages")).toBe(402);
    expect(await statusOf(ofNobody, "pages", 4)).toBe(200);
    expect(await statusOf(ofNobody, "pages")).toBe(402);
    expect(await Promise.all(budgets.map(({ id }) => usedOf(id)))).toEqual(["1", "1", "1"]);
  });

  if (database.name === "PostgreSQL") {
    it("are exact on two processes, also where one looked the agents up before there was a budget", async () => {
      const peer = await api.startPeer();
      try {
        for (const agent of [first, second]) expect(await statusOf(agent, "tiers", 1, peer)).toBe(200);
        const { id } = await ofCustomer({ amount: "3.30" });
        await createBudget({ amount: "2.00" });
        const answers = await Promise.all(
          Array.from({ length: 50 }, (_, index) =>
            verify(index % 4 < 2 ? first : second, "tiers", 1, index % 2 === 0 ? api : peer),
          ),
        );
        // Eight more are free, ten cost 0.30 and three 0.10.
        expect(answers.filter(({ status }) => status === 200)).toHaveLength(21);
        expect(answers.filter(({ status }) => status === 402)).toHaveLength(29);
        expect(await usedOf(id)).toBe("3.3");
      } finally {
        await peer.close();
      }
    });
  }
});
