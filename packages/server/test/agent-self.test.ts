import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

describeOnEachDatabase("what an agent asks with its own token on $name", (database) => {
  let api: TestApi;
  let key: string;
  beforeAll(async () => {
    api = await startTestApi(database);
  }, 60_000);
  beforeEach(async () => {
    ({ key } = await api.createAccount({ currency: "eur" }));
  });
  afterEach(() => api.setTime(null));
  afterAll(() => api.close());

  const post = async (path: string, body: unknown) => {
    const { status, body: answered } = await api.call("POST", `/api/v1${path}`, { token: key, body });
    expect(status).toBeLessThan(300);
    return answered.data;
  };
  const ask = (path: string, token: string) => api.call("GET", `/api/v1/mcp/${path}`, { token });

  it("is who it is, when its credential ends, and what is left of its own budgets", async () => {
    api.setTime("2027-05-10T12:00:00.000Z");
    const { agentId, token } = await createAuthorizedAgent(api, key, { expiresIn: 600 });
    await post("/meters", { name: "pages" });
    await post("/budgets", { agentId, meterName: "pages", limit: 5, window: "total", enforced: true });
    await post("/budgets", { agentId, meterName: "api_calls", limit: 10, window: "day" });
    const use = { meterName: "pages", quantity: 4 };
    await api.call("POST", "/api/v1/mcp/verify", { token, body: use });
    await api.call("POST", "/api/v1/mcp/reserve", { token, body: { meterName: "api_calls", quantity: 3 } });

    expect(await ask("me", token)).toMatchObject({ status: 200 });
    expect((await ask("me", token)).body).toEqual({
      data: {
        agentId,
        name: "Test agent",
        scopes: ["mcp:invoke"],
        expiresAt: "2027-05-10T12:10:00.000Z",
        budgets: [
          {
            meterName: "api_calls",
            window: "day",
            limit: 10,
            used: 3,
            remaining: 7,
            status: "ok",
            enforced: false,
            resetsAt: "2027-05-11T00:00:00.000Z",
          },
          {
            meterName: "pages",
            window: "total",
            limit: 5,
            used: 4,
            remaining: 1,
            status: "warning",
            enforced: true,
            resetsAt: null,
          },
        ],
        allowances: [],
      },
    });
    api.setTime("2027-05-10T12:10:00.000Z");
    expect((await ask("me", token)).status).toBe(401);
    expect((await ask("prices", token)).status).toBe(401);
  });

  it("is the price list, as the owner reads it, without what the owner keeps for itself", async () => {
    const { token } = await createAuthorizedAgent(api, key);
    const price = { model: "per_unit", unitPrice: "0.25" };
    const secret = "known-to-the-owner";
    const { id } = await post("/meters", {
      name: "pages",
      displayName: "Pages",
      unit: "page",
      price,
      maxQuantityPerCall: 40,
      metadata: { note: secret },
    });
    const { body } = await ask("prices", token);
    expect(body.data).toEqual([
      {
        id,
        meterName: "pages",
        displayName: "Pages",
        unit: "page",
        currency: "eur",
        price,
        nextPrice: null,
        maxQuantityPerCall: 40,
      },
      expect.objectContaining({ meterName: "api_calls", price: null }),
    ]);
    expect(JSON.stringify(body)).not.toContain(secret);
    expect((await ask("prices?meterName=pages", token)).body.data).toEqual([body.data[0]]);
    expect((await ask("prices?meterName=unknown", token)).body.data).toEqual([]);
    const first = await ask("prices?limit=1", token);
    expect(first.body).toMatchObject({ data: [{ id }], pagination: { hasMore: true, nextCursor: id } });
    expect((await ask(`prices?limit=1&cursor=${id}`, token)).body).toMatchObject({
      data: [{ meterName: "api_calls" }],
      pagination: { hasMore: false },
    });
  });

  it("is nothing of another agent, customer or account, whatever it asks for", async () => {
    const mark = "other-7f3a";
    const { token } = await createAuthorizedAgent(api, key);
    const customer = await post("/customers", { name: `${mark} customer`, email: `${mark}@example.com` });
    const other = await post("/agents", { name: `${mark} agent`, customerId: customer.id });
    await post("/budgets", { agentId: other.id, meterName: "api_calls", limit: 987_654 });
    await post("/usage/events", {
      events: [{ agentId: other.id, meterName: "api_calls", quantity: 123_457 }],
    });
    const stranger = await api.createAccount();
    for (const token of [stranger.key, stranger.liveKey]) {
      await api.call("POST", "/api/v1/meters", { token, body: { name: mark } });
    }
    for (const path of ["me", "prices"]) {
      const { body, status } = await ask(path, token);
      expect(status).toBe(200);
      const text = JSON.stringify(body);
      for (const leaked of [mark, other.id, customer.id, "987654", "123457"])
        expect(text).not.toContain(leaked);
      expect((await ask(path, key)).status).toBe(401);
      for (const parameter of ["agentId", "customerId"]) {
        expect((await ask(`${path}?${parameter}=${other.id}`, token)).status).toBe(400);
      }
    }
    expect((await ask("me", token)).body.data.budgets).toEqual([]);
  });

  it("is free of charge, whatever the agent's budgets", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, key);
    await post("/budgets", { agentId, meterName: "api_calls", limit: 0, enforced: true });
    for (const path of ["me", "prices"]) expect((await ask(path, token)).status).toBe(200);
    expect((await api.call("GET", "/api/v1/usage/events", { token: key })).body.data).toEqual([]);
  });

  it("is refused for a suspended agent and a revoked token", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, key);
    await api.call("PATCH", `/api/v1/agents/${agentId}`, { token: key, body: { status: "suspended" } });
    expect((await ask("me", token)).status).toBe(401);
    await api.call("PATCH", `/api/v1/agents/${agentId}`, { token: key, body: { status: "active" } });
    expect((await ask("me", token)).status).toBe(200);
    await api.call("DELETE", `/api/v1/agents/${agentId}`, { token: key });
    expect((await ask("me", token)).status).toBe(401);
  });

  it("counts against the limit on requests with its token", async () => {
    const limited = await startTestApi(database, { rateLimits: { perCredential: 3 } });
    try {
      limited.setTime("2027-01-01T00:00:00.000Z");
      const { token } = await createAuthorizedAgent(limited, (await limited.createAccount()).key);
      const paths = ["me", "prices", "me", "prices", "me"];
      const statuses = [];
      for (const path of paths)
        statuses.push((await limited.call("GET", `/api/v1/mcp/${path}`, { token })).status);
      expect(statuses).toEqual([200, 200, 200, 429, 429]);
    } finally {
      await limited.close();
    }
  });
});
