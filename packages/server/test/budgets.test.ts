import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Answer, createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

describeOnEachDatabase("budgets on $name", (database) => {
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

  const call = (method: "GET" | "POST" | "PATCH" | "DELETE", path: string, body?: unknown) =>
    api.call(method, `/api/v1${path}`, { token: key, body });
  const createBudget = async (budget: object) =>
    (await call("POST", "/budgets", { agentId, meterName: "api_calls", ...budget })).body.data;
  const verify = (body: object, idempotencyKey?: string) =>
    api.call("POST", "/api/v1/mcp/verify", {
      token,
      body: { meterName: "api_calls", ...body },
      headers: idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey },
    });
  const total = async () =>
    (await call("GET", `/usage/totals?agentId=${agentId}`)).body.data[0]?.quantity ?? 0;

  it("are created, read, listed, changed and removed", async () => {
    await verify({ quantity: 3 });
    const made = await call("POST", "/budgets", { agentId, meterName: "api_calls", limit: 10 });
    expect(made).toMatchObject({
      status: 201,
      body: {
        data: {
          agentId,
          meterName: "api_calls",
          limit: 10,
          used: 3,
          remaining: 7,
          status: "ok",
          window: "period",
          warnAtPercent: 80,
        },
      },
    });
    const { id } = made.body.data;
    const again = await call("POST", "/budgets", { agentId, meterName: "api_calls", limit: 1 });
    expect(again).toMatchObject({ status: 409, body: { code: "CONFLICT" } });
    const daily = await createBudget({ limit: 100, window: "day" });
    const listed = await call("GET", `/budgets?agentId=${agentId}&meterName=api_calls`);
    expect(listed.body.data.map((budget: { id: string }) => budget.id)).toEqual([daily.id, id]);
    expect((await call("GET", "/budgets?meterName=pages")).body.data).toEqual([]);
    expect((await call("PATCH", `/budgets/${id}`, { limit: 3 })).body.data).toMatchObject({
      limit: 3,
      remaining: 0,
      status: "exceeded",
    });
    expect((await call("PATCH", `/budgets/${id}`, { limit: 10, warnAtPercent: 30 })).body.data).toMatchObject(
      {
        warnAtPercent: 30,
        status: "warning",
      },
    );
    expect(await call("DELETE", `/budgets/${id}`)).toMatchObject({
      status: 200,
      body: { data: { id, used: 3 } },
    });
    for (const method of ["GET", "DELETE"] as const)
      expect((await call(method, `/budgets/${id}`)).status).toBe(404);
    expect((await call("PATCH", `/budgets/${id}`, { limit: 1 })).status).toBe(404);
    const nobody = await call("POST", "/budgets", { agentId: id, meterName: "api_calls", limit: 1 });
    expect(nobody.status).toBe(404);
    expect((await call("POST", "/budgets", { agentId, meterName: "pages", limit: 1 })).status).toBe(422);
  });

  it("track and do not stop what is recorded, unless they are enforced", async () => {
    await createBudget({ limit: 5 });
    const states = [];
    for (const quantity of [3, 1, 1, 1]) states.push((await verify({ quantity })).body.data.budget);
    expect(states).toMatchObject([
      { meterName: "api_calls", limit: 5, used: 3, remaining: 2, status: "ok" },
      { used: 4, remaining: 1, status: "warning" },
      { used: 5, remaining: 0, status: "exceeded" },
      { used: 6, remaining: 0, status: "exceeded" },
    ]);
    const refused = await verify({ enforceBudget: true });
    expect(refused).toMatchObject({
      status: 402,
      body: {
        code: "BUDGET_EXCEEDED",
        details: { budget: { meterName: "api_calls", limit: 5, used: 6, remaining: 0, status: "exceeded" } },
      },
    });
    expect(new Date(refused.body.details.budget.resetsAt).getTime()).toBeGreaterThan(Date.now());
    expect(await total()).toBe(6);
    const reported = await api.call("POST", "/api/v1/usage/events", {
      token: key,
      body: { events: [{ agentId, meterName: "api_calls", quantity: 2 }] },
    });
    expect(reported.body.data.results).toMatchObject([{ status: "recorded" }]);
    expect((await verify({})).body.data.budget.used).toBe(9);
  });

  it("answer the tightest where several apply, and none where none does", async () => {
    expect((await verify({})).body.data).not.toHaveProperty("budget");
    await createBudget({ limit: 50, window: "day" });
    await createBudget({ limit: 9, window: "total" });
    await createBudget({ limit: 20, window: "period" });
    expect((await verify({})).body.data.budget).toEqual({
      meterName: "api_calls",
      limit: 9,
      used: 2,
      remaining: 7,
      status: "ok",
      resetsAt: null,
    });
    await call("POST", "/meters", { name: "pages" });
    expect((await verify({ meterName: "pages" })).body.data).not.toHaveProperty("budget");
  });

  it("say of a call that waiting does not help where another budget, or the whole limit, is too small for it", async () => {
    const refusal = async (quantity: number) => {
      const { status, body } = await verify({ quantity, enforceBudget: true });
      return { status, limit: body.details.budget.limit, error: body.error };
    };
    await createBudget({ limit: 5, window: "day" });
    await verify({ quantity: 4 });
    expect(await refusal(5)).toMatchObject({
      status: 402,
      error: expect.stringContaining("starts again at"),
    });
    expect(await refusal(6)).toEqual({
      status: 402,
      limit: 5,
      error:
        'The agent\'s budget of 5 "api_calls" per day is less than 6 in all. Nothing was recorded. Its owner can raise it.',
    });
    // More is left of it than of the day's, and it never starts again.
    await createBudget({ limit: 7, window: "total" });
    expect(await refusal(3)).toMatchObject({ limit: 5 });
    expect(await refusal(4)).toMatchObject({ limit: 7, error: expect.not.stringContaining("starts again") });
    expect(await total()).toBe(4);
  });

  it("of api_calls are answered when no meter is named, and can be enforced then", async () => {
    const check = (body: object) => api.call("POST", "/api/v1/mcp/verify", { token, body });
    expect((await check({ enforceBudget: true })).body.data).not.toHaveProperty("budget");
    await createBudget({ limit: 1 });
    expect((await check({})).body.data.budget).toMatchObject({ used: 0, remaining: 1 });
    expect((await check({ enforceBudget: true })).status).toBe(200);
    await verify({});
    expect((await check({})).body.data.budget).toMatchObject({ remaining: 0, status: "exceeded" });
    expect(await check({ enforceBudget: true })).toMatchObject({
      status: 402,
      body: { code: "BUDGET_EXCEEDED" },
    });
    expect(await total()).toBe(1);
  });

  it("start again each day, each period, or never, in the account's time zone", async () => {
    api.setTime("2026-06-30T21:00:00.000Z");
    ({ key } = await api.createAccount({ timeZone: "Europe/Berlin" }));
    ({ agentId, token } = await createAuthorizedAgent(api, key, { expiresIn: 864_000 }));
    const day = await createBudget({ limit: 10, window: "day" });
    const period = await createBudget({ limit: 10, window: "period" });
    const ever = await createBudget({ limit: 10, window: "total" });
    expect([day.resetsAt, period.resetsAt, ever.resetsAt]).toEqual([
      "2026-06-30T22:00:00.000Z",
      "2026-06-30T22:00:00.000Z",
      null,
    ]);
    const used = () =>
      Promise.all(
        [day, period, ever].map(async ({ id }) => (await call("GET", `/budgets/${id}`)).body.data.used),
      );
    await verify({ quantity: 2 });
    expect(await used()).toEqual([2, 2, 2]);
    api.setTime("2026-06-30T22:00:00.000Z");
    expect(await used()).toEqual([0, 0, 2]);
    await verify({ quantity: 3 });
    api.setTime("2026-07-01T22:00:00.000Z");
    expect(await used()).toEqual([0, 3, 5]);
    const { id } = (await call("GET", "/billing/periods/current")).body.data;
    await call("POST", `/billing/periods/${id}/close`);
    expect(await used()).toEqual([0, 0, 5]);
    await verify({ quantity: 1 });
    expect(await used()).toEqual([1, 1, 6]);
  });

  it("count usage of the past in the window in which it happened", async () => {
    api.setTime("2026-06-20T12:00:00.000Z");
    ({ key } = await api.createAccount());
    ({ agentId, token } = await createAuthorizedAgent(api, key));
    const day = await createBudget({ limit: 3, window: "day" });
    const period = await createBudget({ limit: 100, window: "period" });
    await api.call("POST", "/api/v1/usage/events", {
      token: key,
      body: {
        events: [{ agentId, meterName: "api_calls", quantity: 5, timestamp: "2026-06-19T12:00:00.000Z" }],
      },
    });
    expect((await call("GET", `/budgets/${day.id}`)).body.data.used).toBe(0);
    expect((await call("GET", `/budgets/${period.id}`)).body.data.used).toBe(5);
    expect((await verify({ quantity: 3, enforceBudget: true })).status).toBe(200);
    expect((await verify({ enforceBudget: true })).body.details.budget).toMatchObject({
      limit: 3,
      used: 3,
      resetsAt: "2026-06-21T00:00:00.000Z",
    });
  });

  it("admit exactly what fits of 64 enforced calls at once", async () => {
    await createBudget({ limit: 20 });
    const answers = await Promise.all(Array.from({ length: 64 }, () => verify({ enforceBudget: true })));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(20);
    expect(statuses.filter((status) => status === 402)).toHaveLength(44);
    const used = answers.filter(({ status }) => status === 200).map(({ body }) => body.data.budget.used);
    expect(used.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(await total()).toBe(20);
  });

  it("fill up to the last unit with quantities of any size", async () => {
    await createBudget({ limit: 100 });
    const quantities = Array.from({ length: 64 }, (_, index) => 1 + ((index * 7) % 13));
    const answers = await Promise.all(
      quantities.map((quantity) => verify({ quantity, enforceBudget: true })),
    );
    const admitted = quantities.filter((_, index) => answers[index]?.status === 200);
    const sum = admitted.reduce((left, right) => left + right, 0);
    expect(await total()).toBe(sum);
    expect(sum).toBeLessThanOrEqual(100);
    // What was refused did not fit into what is left now, or smaller ones would have been let in before.
    const refused = quantities.filter((_, index) => answers[index]?.status !== 200);
    expect(Math.min(...refused)).toBeGreaterThan(100 - sum);
  });

  it("give a repeated key its first answer when the budget is used up since", async () => {
    await createBudget({ limit: 2 });
    const first = await verify({ enforceBudget: true }, "call-1");
    await verify({ enforceBudget: true }, "call-2");
    expect((await verify({ enforceBudget: true }, "call-3")).status).toBe(402);
    const again = await verify({ enforceBudget: true }, "call-1");
    expect(again.body.data.event).toEqual({
      ...first.body.data.event,
      duplicate: true,
      age: expect.any(Number),
    });
    const conflict = await verify({ quantity: 2, enforceBudget: true }, "call-1");
    expect(conflict).toMatchObject({ status: 409, body: { code: "IDEMPOTENCY_CONFLICT" } });
    const same = await Promise.all(
      Array.from({ length: 16 }, () => verify({ enforceBudget: true }, "call-2")),
    );
    expect(new Set(same.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await total()).toBe(2);
    const { id } = (await call("GET", `/budgets?agentId=${agentId}`)).body.data[0];
    await call("PATCH", `/budgets/${id}`, { limit: 3 });
    expect((await verify({ enforceBudget: true }, "call-3")).body.data.event.duplicate).toBe(false);
  });

  it("take a key that arrives many times at once once", async () => {
    await createBudget({ limit: 1 });
    const answers = await Promise.all(
      Array.from({ length: 32 }, () => verify({ enforceBudget: true }, "same")),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 32 }, () => 200));
    expect(answers.filter(({ body }) => !body.data.event.duplicate)).toHaveLength(1);
    expect(await total()).toBe(1);
  });

  it("of zero let nothing through that is enforced", async () => {
    await createBudget({ limit: 0, window: "total" });
    expect(await verify({ enforceBudget: true })).toMatchObject({ status: 402 });
    expect((await verify({})).body.data.budget).toMatchObject({ limit: 0, used: 1, status: "exceeded" });
  });

  it("are checked in the first call of a period, too", async () => {
    api.setTime("2026-08-01T00:00:01.000Z");
    ({ key } = await api.createAccount());
    ({ agentId, token } = await createAuthorizedAgent(api, key));
    await createBudget({ limit: 2 });
    const answers = await Promise.all(Array.from({ length: 8 }, () => verify({ enforceBudget: true })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(2);
    expect(await total()).toBe(2);
  });

  describe("tell webhooks", () => {
    const told = async () => {
      const rows = await api.db.query<{ body: string }>(
        `SELECT d.body FROM webhook_deliveries d WHERE d.environment_id =
           (SELECT environment_id FROM agents WHERE id = $1) ORDER BY d.event_id`,
        [agentId],
      );
      return rows.map(({ body }) => JSON.parse(body));
    };
    const types = async () => (await told()).map(({ type }: { type: string }) => type);
    beforeEach(async () => {
      await api.db.query(
        `INSERT INTO webhooks (id, environment_id, url, events, enabled, secret_key_id, metadata, created_at, updated_at)
         SELECT $1, environment_id, 'https://webhooks.invalid/', '{budget.warning,budget.exceeded}', true, 'k', '{}',
           created_at, created_at FROM agents WHERE id = $2`,
        [randomUUID(), agentId],
      );
    });

    it("once when usage reaches the warning and once when it reaches the limit", async () => {
      const budget = await createBudget({ limit: 10, warnAtPercent: 50 });
      await verify({ quantity: 4 });
      expect(await told()).toEqual([]);
      await Promise.all([verify({}), verify({}), verify({})]);
      expect(await types()).toEqual(["budget.warning"]);
      await Promise.all(Array.from({ length: 8 }, () => verify({})));
      expect(await types()).toEqual(["budget.warning", "budget.exceeded"]);
      expect((await told())[1].data).toMatchObject({ id: budget.id, agentId, limit: 10, status: "exceeded" });
    });

    it("of both when one event passes both, and of usage that is reported", async () => {
      await createBudget({ limit: 10 });
      await api.call("POST", "/api/v1/usage/events", {
        token: key,
        body: { events: [{ agentId, meterName: "api_calls", quantity: 30 }] },
      });
      expect(await types()).toEqual(["budget.warning", "budget.exceeded"]);
    });

    it("again in the next window, and when a raised limit is reached", async () => {
      api.setTime("2026-06-10T12:00:00.000Z");
      ({ token } = (
        await call("POST", "/mcp/authorize", { agentId, scopes: ["x"], expiresIn: 864_000 })
      ).body.data);
      const { id } = await createBudget({ limit: 2, window: "day" });
      await verify({ quantity: 2 });
      await verify({});
      expect(await types()).toHaveLength(2);
      await call("PATCH", `/budgets/${id}`, { limit: 10 });
      await verify({ quantity: 7 });
      expect(await types()).toHaveLength(4);
      api.setTime("2026-06-11T12:00:00.000Z");
      await verify({ quantity: 9 });
      expect(await types()).toHaveLength(5);
    });
  });

  if (database.name === "PostgreSQL") {
    it("are exact on two processes over one PostgreSQL", async () => {
      const peer = await api.startPeer();
      try {
        await createBudget({ limit: 25 });
        await createBudget({ limit: 1_000, window: "day" });
        const answers: Answer[] = await Promise.all(
          Array.from({ length: 64 }, (_, index) =>
            (index % 2 === 0 ? api : peer).call("POST", "/api/v1/mcp/verify", {
              token,
              body: { meterName: "api_calls", enforceBudget: true },
              // Every key is sent to both.
              headers: { "idempotency-key": `call-${index >> 1}` },
            }),
          ),
        );
        const admitted = answers.filter(({ status }) => status === 200);
        expect(new Set(admitted.map(({ body }) => body.data.event.id)).size).toBe(25);
        expect(admitted.filter(({ body }) => !body.data.event.duplicate)).toHaveLength(25);
        expect(answers.filter(({ status }) => ![200, 402].includes(status))).toEqual([]);
        expect(await total()).toBe(25);
      } finally {
        await peer.close();
      }
    });
  }
});
