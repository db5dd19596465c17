import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

interface Agent {
  readonly agentId: string;
  readonly token: string;
}

describeOnEachDatabase("budgets of a customer over all its agents on $name", (database) => {
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
  const belong = async (agentId: string, to: string | null) =>
    expect((await call("PATCH", `/agents/${agentId}`, { customerId: to })).status).toBe(200);
  const createCustomer = async (name: string): Promise<string> =>
    (await call("POST", "/customers", { name })).body.data.id;
  /** An agent of the customer. */
  const createAgent = async (of: string | null): Promise<Agent> => {
    const agent = await createAuthorizedAgent(api, key, { expiresIn: 5_000_000 });
    await belong(agent.agentId, of);
    return agent;
  };
  async function start() {
    ({ key } = await api.createAccount());
    customerId = await createCustomer("Acme");
    first = await createAgent(customerId);
    second = await createAgent(customerId);
  }

  const createBudget = async (budget: object) => {
    const body = { customerId, meterName: "api_calls", enforced: true, ...budget };
    const made = await call("POST", "/budgets", body);
    expect(made.status).toBe(201);
    return made.body.data;
  };
  const usedOf = async (id: string) => (await call("GET", `/budgets/${id}`)).body.data.used;
  const mcp = (path: string, { token }: Agent, body: object, at: Pick<TestApi, "call"> = api) =>
    at.call("POST", `/api/v1/mcp${path}`, { token, body });
  const verify = (agent: Agent, body: object = {}, at?: Pick<TestApi, "call">) =>
    mcp("/verify", agent, { meterName: "api_calls", ...body }, at);
  const reserve = (agent: Agent, body: object = {}) =>
    mcp("/reserve", agent, { meterName: "api_calls", ...body });
  const held = async (agent: Agent, body: object) => (await reserve(agent, body)).body.data.reservation.id;
  const totalOf = async (of: string) =>
    (await call("GET", `/usage/totals?customerId=${of}`)).body.data[0]?.quantity ?? 0;

  it("are created, read, listed, changed and removed", async () => {
    await verify(first, { quantity: 3 });
    await verify(second, { quantity: 4 });
    const made = await call("POST", "/budgets", { customerId, meterName: "api_calls", limit: 10 });
    expect(made).toMatchObject({
      status: 201,
      body: {
        data: {
          ...{
            agentId: null,
            customerId,
            meterName: "api_calls",
            shared: true,
            limit: 10,
            used: 7,
            remaining: 3,
          },
          ...{ status: "ok", window: "period", warnAtPercent: 80, enforced: false },
        },
      },
    });
    const { id } = made.body.data;
    const again = await call("POST", "/budgets", { customerId, meterName: "api_calls", limit: 1 });
    expect(again).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining('The customer "Acme" has a budget') },
    });
    const own = await createBudget({ agentId: first.agentId, customerId: undefined, limit: 5 });
    expect(own).toMatchObject({ agentId: first.agentId, customerId: null });
    expect(own).not.toHaveProperty("shared");
    const daily = await createBudget({ limit: 100, window: "day" });
    const idsOf = async (query: string) =>
      (await call("GET", `/budgets?${query}`)).body.data.map((budget: { id: string }) => budget.id);
    expect(await idsOf("")).toEqual([daily.id, own.id, id]);
    expect(await idsOf(`customerId=${customerId}`)).toEqual([daily.id, id]);
    expect(await idsOf(`agentId=${first.agentId}`)).toEqual([own.id]);
    expect(await idsOf(`limit=1&cursor=${daily.id}`)).toEqual([own.id]);
    const changed = await call("PATCH", `/budgets/${id}`, { limit: 7, enforced: true });
    expect(changed.body.data).toMatchObject({ limit: 7, remaining: 0, status: "exceeded", enforced: true });
    expect(await call("DELETE", `/budgets/${id}`)).toMatchObject({ status: 200, body: { data: { id } } });
    for (const method of ["GET", "DELETE"] as const)
      expect((await call(method, `/budgets/${id}`)).status).toBe(404);
  });

  it("are either an agent's or a customer's, of this account alone", async () => {
    const budget = { meterName: "api_calls", limit: 1 };
    for (const owner of [{}, { agentId: first.agentId, customerId }]) {
      expect(await call("POST", "/budgets", { ...budget, ...owner })).toMatchObject({
        status: 400,
        body: { error: expect.stringContaining("either agentId or customerId") },
      });
    }
    const stranger = await api.createAccount();
    for (const token of [stranger.key, stranger.liveKey]) {
      const body = { ...budget, customerId };
      expect((await api.call("POST", "/api/v1/budgets", { token, body })).status).toBe(404);
    }
    const { id } = await createBudget({ limit: 1 });
    for (const method of ["GET", "PATCH", "DELETE"] as const) {
      const body = method === "PATCH" ? { limit: 9 } : undefined;
      const answer = await api.call(method, `/api/v1/budgets/${id}`, { token: stranger.key, body });
      expect(answer.status).toBe(404);
    }
    expect((await call("GET", `/budgets/${id}`)).body.data).toMatchObject({ limit: 1 });
  });

  it("refuse any of its agents what does not fit, and no other agent", async () => {
    await createBudget({ limit: 5 });
    const stranger = await createAgent(null);
    expect((await verify(first, { quantity: 3 })).body.data.budget).toMatchObject({
      ...{ shared: true, limit: 5, used: 3, remaining: 2 },
    });
    const refused = await verify(second, { quantity: 3 });
    expect(refused).toMatchObject({
      status: 402,
      body: {
        code: "BUDGET_EXCEEDED",
        error: expect.stringContaining(
          'The customer\'s budget of 5 "api_calls" per period is used up: 3 are used',
        ),
        details: { budget: { shared: true, limit: 5, used: 3 } },
      },
    });
    expect((await verify(second, { quantity: 2 })).status).toBe(200);
    expect((await verify(first)).status).toBe(402);
    expect((await verify(stranger, { quantity: 9 })).status).toBe(200);
    expect(await totalOf(customerId)).toBe(5);
  });

  it("warn where they are not enforced, and count beside those of each agent", async () => {
    await createBudget({ limit: 4, enforced: false });
    await createBudget({ agentId: first.agentId, customerId: undefined, limit: 2 });
    expect((await verify(second, { quantity: 3 })).body.data.budget).toMatchObject({ shared: true, used: 3 });
    expect((await verify(first, { quantity: 2 })).body.data.budget).toMatchObject({ shared: true, used: 5 });
    const refused = await verify(first);
    expect(refused.status).toBe(402);
    expect(refused.body.details.budget).not.toHaveProperty("shared");
    expect((await verify(second)).status).toBe(200);
    expect((await verify(second, { enforceBudget: true })).status).toBe(402);
  });

  it("record what the owner's key reports all the same, and flag it, in one batch of several agents", async () => {
    const { id } = await createBudget({ limit: 5 });
    const events = [first, second, first].map(({ agentId }, index) => ({
      ...{ agentId, meterName: "api_calls", quantity: 2, idempotencyKey: `job-${index}` },
    }));
    const { results } = (await call("POST", "/usage/events", { events })).body.data;
    expect(results.map(({ overBudget = false }) => overBudget)).toEqual([false, false, true]);
    expect(await usedOf(id)).toBe(6);
    expect((await verify(second)).status).toBe(402);
  });

  it("count what is held for any of its agents, until it is given back, billed or lapsed", async () => {
    const { id } = await createBudget({ limit: 10 });
    const own = await held(first, { quantity: 6 });
    expect(await reserve(second, { quantity: 5 })).toMatchObject({
      status: 402,
      body: { details: { budget: { used: 6, remaining: 4 } } },
    });
    const others = await held(second, { quantity: 4, expiresIn: 60 });
    expect((await verify(first)).status).toBe(402);
    await mcp(`/reservations/${own}/release`, first, {});
    expect(await usedOf(id)).toBe(4);
    expect((await verify(first, { quantity: 6 })).status).toBe(200);
    expect((await mcp(`/reservations/${others}/commit`, second, { quantity: 3 })).status).toBe(200);
    expect(await usedOf(id)).toBe(9);
    const lapsed = await held(second, { quantity: 1, expiresIn: 60 });
    api.setTime(new Date(Date.now() + 61_000));
    expect(await usedOf(id)).toBe(9);
    expect((await verify(first)).status).toBe(200);
    expect((await mcp(`/reservations/${lapsed}/commit`, second, {})).status).toBe(402);
    expect(await totalOf(customerId)).toBe(10);
  });

  it("keep what an agent used that moves to another customer, and lose what it holds", async () => {
    const other = await createCustomer("Other");
    const from = await createBudget({ limit: 10 });
    const to = await createBudget({ customerId: other, limit: 4 });
    await verify(first, { quantity: 6 });
    const reservation = await held(first, { quantity: 3 });
    expect([await usedOf(from.id), await usedOf(to.id)]).toEqual([9, 0]);
    await belong(first.agentId, other);
    expect([await usedOf(from.id), await usedOf(to.id)]).toEqual([6, 3]);
    expect(await verify(first, { quantity: 2 })).toMatchObject({
      status: 402,
      body: { details: { budget: { limit: 4, used: 3 } } },
    });
    expect((await mcp(`/reservations/${reservation}/commit`, first, {})).status).toBe(200);
    expect([await usedOf(from.id), await usedOf(to.id)]).toEqual([6, 3]);
    expect((await verify(second, { quantity: 4 })).status).toBe(200);
    await belong(first.agentId, null);
    expect((await verify(first, { quantity: 50 })).status).toBe(200);
  });

  it("admit exactly what fits of 64 calls of several agents at once, verified and reserved", async () => {
    const { id } = await createBudget({ limit: 20 });
    await createBudget({ agentId: second.agentId, customerId: undefined, limit: 15 });
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, index) =>
        (index % 4 < 2 ? verify : reserve)(index % 2 === 0 ? first : second),
      ),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200 || status === 201)).toHaveLength(20);
    expect(statuses.filter((status) => status === 402)).toHaveLength(44);
    expect(await usedOf(id)).toBe(20);
  });

  it("start again with their window, the period that was closed early among them", async () => {
    api.setTime("2026-06-30T21:59:59.000Z");
    await start();
    const ids: string[] = [];
    for (const window of ["day", "period", "total"]) {
      ids.push((await createBudget({ limit: 10, window })).id);
    }
    const used = () => Promise.all(ids.map(usedOf));
    await verify(first, { quantity: 2 });
    api.setTime("2026-07-01T00:00:00.000Z");
    expect(await used()).toEqual([0, 0, 2]);
    await verify(second, { quantity: 3 });
    api.setTime("2026-07-02T00:00:00.000Z");
    expect(await used()).toEqual([0, 3, 5]);
    const { id } = (await call("GET", "/billing/periods/current")).body.data;
    await call("POST", `/billing/periods/${id}/close`);
    await verify(first);
    expect(await used()).toEqual([1, 1, 6]);
    expect((await verify(second, { quantity: 5 })).body).toMatchObject({ code: "BUDGET_EXCEEDED" });
  });

  it("tell webhooks once, whichever agent reaches them", async () => {
    await api.db.query(
      `INSERT INTO webhooks (id, environment_id, url, events, enabled, secret_key_id, metadata, created_at, updated_at)
       SELECT $1, environment_id, 'https://webhooks.invalid/', '{budget.warning,budget.exceeded}', true, 'k', '{}',
         created_at, created_at FROM agents WHERE id = $2`,
      [randomUUID(), first.agentId],
    );
    const { id } = await createBudget({ limit: 10, enforced: false });
    await verify(first, { quantity: 4 });
    await Promise.all([verify(first, { quantity: 3 }), verify(second, { quantity: 2 })]);
    await verify(second, { quantity: 2 });
    await verify(first);
    const rows = await api.db.query<{ body: string }>(
      `SELECT body FROM webhook_deliveries
       WHERE environment_id = (SELECT environment_id FROM agents WHERE id = $1) ORDER BY event_id`,
      [first.agentId],
    );
    const told = rows.map(({ body }) => JSON.parse(body));
    expect(told.map(({ type }) => type)).toEqual(["budget.warning", "budget.exceeded"]);
    expect(told[1].data).toMatchObject({ id, agentId: null, customerId, used: 11, status: "exceeded" });
  });

  it("are told to its agents as one sum, and to no other", async () => {
    await createBudget({ limit: 10, window: "total" });
    await createBudget({ agentId: first.agentId, customerId: undefined, limit: 8, window: "total" });
    await createBudget({ agentId: second.agentId, customerId: undefined, limit: 777_111 });
    const stranger = await createAgent(await createCustomer("Other"));
    await verify(first, { quantity: 1 });
    await verify(second, { quantity: 4 });
    const ask = async ({ token }: Agent) => (await api.call("GET", "/api/v1/mcp/me", { token })).body.data;
    const common = { meterName: "api_calls", window: "total", status: "ok", enforced: true, resetsAt: null };
    const told = await ask(first);
    expect(told.budgets).toEqual([
      { ...common, limit: 8, used: 1, remaining: 7 },
      { ...common, limit: 10, used: 5, remaining: 5, shared: true },
    ]);
    for (const hidden of [second.agentId, customerId, "Acme", "777111"])
      expect(JSON.stringify(told)).not.toContain(hidden);
    expect((await ask(stranger)).budgets).toEqual([]);
    await belong(first.agentId, null);
    expect((await ask(first)).budgets).toHaveLength(1);
  });

  if (database.name === "PostgreSQL") {
    it("are exact on two processes, also where one looked the agents up before there was a budget", async () => {
      const peer = await api.startPeer();
      try {
        for (const agent of [first, second]) expect((await verify(agent, {}, peer)).status).toBe(200);
        await createBudget({ limit: 22 });
        await createBudget({ agentId: first.agentId, customerId: undefined, limit: 1_000 });
        const answers = await Promise.all(
          Array.from({ length: 50 }, (_, index) =>
            verify(index % 4 < 2 ? first : second, {}, index % 2 === 0 ? api : peer),
          ),
        );
        const statuses = answers.map(({ status }) => status);
        expect(statuses.filter((status) => status === 200)).toHaveLength(20);
        expect(statuses.filter((status) => status === 402)).toHaveLength(30);
        expect(await totalOf(customerId)).toBe(22);
      } finally {
        await peer.close();
      }
    });

    it("are never passed while agents move between customers under their calls", async () => {
      const peer = await api.startPeer();
      try {
        const other = await createCustomer("Other");
        await createBudget({ limit: 30, window: "total" });
        await createBudget({ customerId: other, limit: 30, window: "total" });
        const moves = (async () => {
          for (let round = 0; round < 16; round += 1) {
            await belong(first.agentId, round % 2 === 0 ? other : customerId);
            await belong(second.agentId, round % 3 === 0 ? other : customerId);
          }
        })();
        const statuses: number[] = [];
        const callers = Array.from({ length: 8 }, async (_, index) => {
          for (let round = 0; round < 25; round += 1) {
            const answer = await verify(index % 4 < 2 ? first : second, {}, index % 2 === 0 ? api : peer);
            statuses.push(answer.status);
          }
        });
        await Promise.all([moves, ...callers]);
        expect(new Set(statuses)).toEqual(new Set([200, 402]));
        const totals = [await totalOf(customerId), await totalOf(other)];
        expect(Math.max(...totals)).toBeLessThanOrEqual(30);
        expect(totals[0] + totals[1]).toBe(statuses.filter((status) => status === 200).length);
      } finally {
        await peer.close();
      }
    });
  }
});
