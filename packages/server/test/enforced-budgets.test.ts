import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

describeOnEachDatabase("budgets that are marked as enforced on $name", (database) => {
  let api: TestApi;
  let key: string;
  let agentId: string;
  let token: string;
  beforeAll(async () => {
    api = await startTestApi(database);
  }, 60_000);
  beforeEach(async () => {
    ({ key } = await api.createAccount());
    ({ agentId, token } = await createAuthorizedAgent(api, key));
  });
  afterEach(() => api.setTime(null));
  afterAll(() => api.close());

  const call = (method: "GET" | "POST" | "PATCH", path: string, body?: unknown) =>
    api.call(method, `/api/v1${path}`, { token: key, body });
  const createBudget = async (budget: object) =>
    (await call("POST", "/budgets", { agentId, meterName: "api_calls", enforced: true, ...budget })).body
      .data;
  const mcp = (path: string, body: object = {}, idempotencyKey?: string, at: Pick<TestApi, "call"> = api) =>
    at.call("POST", `/api/v1/mcp${path}`, {
      token,
      body,
      headers: idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey },
    });
  const verify = (body: object = {}, idempotencyKey?: string, at?: Pick<TestApi, "call">) =>
    mcp("/verify", { meterName: "api_calls", ...body }, idempotencyKey, at);
  const reserve = (body: object = {}) => mcp("/reserve", { meterName: "api_calls", ...body });
  const commit = (id: string) => mcp(`/reservations/${id}/commit`);
  const total = async () =>
    (await call("GET", `/usage/totals?agentId=${agentId}`)).body.data[0]?.quantity ?? 0;
  const after = (seconds: number) => api.setTime(new Date(Date.now() + seconds * 1_000));

  it("are not, where the owner says nothing, and are read, marked and unmarked", async () => {
    const budget = await createBudget({ limit: 1, enforced: undefined });
    expect(budget).toMatchObject({ limit: 1, enforced: false });
    expect((await verify({ quantity: 2 })).status).toBe(200);

    const path = `/budgets/${budget.id}`;
    expect((await call("PATCH", path, { enforced: true })).body.data).toMatchObject({ enforced: true });
    expect((await call("GET", path)).body.data).toMatchObject({ limit: 1, enforced: true });
    expect((await verify()).status).toBe(402);
    expect((await call("PATCH", path, { limit: 2 })).body.data).toMatchObject({ limit: 2, enforced: true });
    expect((await call("PATCH", path, { enforced: false })).body.data).toMatchObject({ enforced: false });
    expect((await verify()).status).toBe(200);
    expect((await createBudget({ limit: 9, window: "day" })).enforced).toBe(true);
    const listed = (await call("GET", `/budgets?agentId=${agentId}`)).body.data;
    expect(listed.map((one: { enforced: boolean }) => one.enforced)).toEqual([true, false]);
    expect((await call("PATCH", path, { enforced: "yes" })).status).toBe(400);
  });

  it("hold whatever the caller says, and record nothing of what they refuse", async () => {
    await createBudget({ limit: 5 });
    expect((await verify({ quantity: 3 })).body.data.budget).toMatchObject({ used: 3, remaining: 2 });
    for (const body of [{ quantity: 3 }, { quantity: 3, enforceBudget: false }]) {
      expect(await verify(body)).toMatchObject({
        status: 402,
        body: {
          code: "BUDGET_EXCEEDED",
          details: { budget: { meterName: "api_calls", limit: 5, used: 3, remaining: 2 } },
        },
      });
      expect(await reserve(body)).toMatchObject({ status: 402, body: { code: "BUDGET_EXCEEDED" } });
    }
    expect((await verify({ quantity: 2 })).status).toBe(200);
    expect((await verify()).status).toBe(402);
    expect(await total()).toBe(5);
  });

  it("refuse no call that meters nothing or another meter", async () => {
    await createBudget({ limit: 0 });
    await call("POST", "/meters", { name: "pages" });
    const checked = await mcp("/verify");
    expect(checked).toMatchObject({ status: 200, body: { data: { budget: { limit: 0, used: 0 } } } });
    expect((await verify({ meterName: "pages" })).status).toBe(200);
    expect((await verify()).status).toBe(402);
  });

  it("leave those alone that are not", async () => {
    await createBudget({ limit: 1, window: "day", enforced: false });
    await createBudget({ limit: 4, window: "total" });
    expect((await verify({ quantity: 3 })).body.data.budget).toMatchObject({ limit: 1, used: 3 });
    expect((await verify({ quantity: 2 })).body.details.budget).toMatchObject({ limit: 4, used: 3 });
    expect((await verify({ enforceBudget: true })).body.details.budget).toMatchObject({ limit: 1 });
    expect((await verify()).status).toBe(200);
    expect(await total()).toBe(4);
  });

  it("admit exactly what fits of 64 calls at once, verified and reserved", async () => {
    await createBudget({ limit: 20 });
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, index) => (index % 2 === 0 ? verify() : reserve())),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200 || status === 201)).toHaveLength(20);
    expect(statuses.filter((status) => status === 402)).toHaveLength(44);
    const [budget] = (await call("GET", `/budgets?agentId=${agentId}`)).body.data;
    expect(budget).toMatchObject({ used: 20, status: "exceeded" });
  });

  it("give a repeated key its first answer when they are used up since", async () => {
    await createBudget({ limit: 1 });
    const first = await verify({}, "call-1");
    expect((await verify({}, "call-2")).status).toBe(402);
    expect((await verify({}, "call-1")).body.data.event).toMatchObject({
      ...first.body.data.event,
      duplicate: true,
    });
    expect(await total()).toBe(1);
  });

  it("record what the owner's key reports all the same, and flag it", async () => {
    await createBudget({ limit: 5 });
    const report = async (...quantities: number[]) => {
      const events = quantities.map((quantity, index) => ({
        agentId,
        meterName: "api_calls",
        quantity,
        idempotencyKey: `job-${quantity}-${index}`,
      }));
      return (await call("POST", "/usage/events", { events })).body.data.results;
    };
    const [fits, over] = await report(5, 4);
    expect(fits).toMatchObject({ status: "recorded" });
    expect(fits).not.toHaveProperty("overBudget");
    expect(over).toMatchObject({ status: "recorded", overBudget: true });
    const [again] = await report(5, 4);
    expect(again).toMatchObject({ status: "duplicate" });
    expect(await total()).toBe(9);
    expect((await verify()).status).toBe(402);
  });

  it("flag nothing where they are not enforced", async () => {
    await createBudget({ limit: 1, enforced: false });
    const { body } = await call("POST", "/usage/events", {
      events: [{ agentId, meterName: "api_calls", quantity: 4 }],
    });
    expect(body.data.results[0]).toMatchObject({ status: "recorded" });
    expect(body.data.results[0]).not.toHaveProperty("overBudget");
  });

  it("honour a hold that they granted, and let one that has lapsed be billed only where it fits", async () => {
    const { id: budgetId } = await createBudget({ limit: 10, window: "total" });
    const hold = async (quantity: number) =>
      (await reserve({ quantity, expiresIn: 60 })).body.data.reservation.id;
    const [granted, lapsed] = [await hold(6), await hold(4)];
    await call("PATCH", `/budgets/${budgetId}`, { limit: 5 });
    expect((await commit(granted)).status).toBe(200);
    await call("PATCH", `/budgets/${budgetId}`, { limit: 9 });
    after(61);
    const { token: fresh } = (await call("POST", "/mcp/authorize", { agentId, scopes: ["mcp:invoke"] })).body
      .data;
    const refused = await commit(lapsed);
    expect(refused).toMatchObject({
      status: 402,
      body: { code: "BUDGET_EXCEEDED", details: { budget: { limit: 9, used: 6 } } },
    });
    expect(await total()).toBe(6);
    await call("PATCH", `/budgets/${budgetId}`, { limit: 10 });
    expect((await commit(lapsed)).status).toBe(200);
    expect((await commit(lapsed)).body.data.event).toMatchObject({ quantity: 4, duplicate: true });
    expect(await total()).toBe(10);
    const answer = await api.call("POST", "/api/v1/mcp/verify", {
      token: fresh,
      body: { meterName: "api_calls" },
    });
    expect(answer.status).toBe(402);
  });

  it("cannot be passed by holds that are let lapse and billed later", async () => {
    await createBudget({ limit: 5, window: "total" });
    const held: string[] = [];
    for (let round = 0; round < 4; round += 1) {
      held.push((await reserve({ quantity: 5, expiresIn: 60 })).body.data.reservation.id);
      after(61 * (round + 1));
    }
    const answers = [];
    for (const id of held) answers.push((await commit(id)).status);
    expect(answers).toEqual([200, 402, 402, 402]);
    expect(await total()).toBe(5);
  });

  if (database.name === "PostgreSQL") {
    it("are exact on two processes, also where one of them looked the agent up before there was a budget", async () => {
      const peer = await api.startPeer();
      try {
        expect((await verify({}, undefined, peer)).status).toBe(200);
        await createBudget({ limit: 26 });
        const answers = await Promise.all(
          Array.from({ length: 64 }, (_, index) => verify({}, undefined, index % 2 === 0 ? api : peer)),
        );
        const statuses = answers.map(({ status }) => status);
        expect(statuses.filter((status) => status === 200)).toHaveLength(25);
        expect(statuses.filter((status) => status === 402)).toHaveLength(39);
        expect(await total()).toBe(26);
      } finally {
        await peer.close();
      }
    });
  }
});
