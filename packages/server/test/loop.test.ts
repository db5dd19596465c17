import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

describeOnEachDatabase("the loop on $name", (database) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(database);
  }, 60_000);
  afterAll(() => api.close());

  const verify = (token: string, body?: unknown, headers: Record<string, string> = {}) =>
    api.call("POST", "/api/v1/mcp/verify", { token, body, headers });

  it("authorizes an agent, meters its calls, closes the period and computes the invoice", async () => {
    const { id: accountId, key } = await api.createAccount({ currency: "eur" });
    const meters = await api.call("GET", "/api/v1/meters?name=api_calls", { token: key });
    await api.call("POST", `/api/v1/meters/${meters.body.data[0].id}/prices`, {
      token: key,
      body: { price: { model: "per_unit", unitPrice: "0.0125" } },
    });
    const { agentId, token } = await createAuthorizedAgent(api, key);
    expect(token).toMatch(/^AGT-/);

    for (let call = 0; call < 12; call += 1) {
      const answer = await verify(token, { meterName: "api_calls" });
      expect(answer.status).toBe(200);
      expect(answer.body.data).toMatchObject({
        accountId,
        agentId,
        scopes: ["mcp:invoke"],
        event: { meterName: "api_calls", quantity: 1, duplicate: false },
      });
    }

    const current = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
    const periodId = current.body.data.id;
    const early = await api.call("POST", `/api/v1/billing/periods/${periodId}/invoice`, { token: key });
    expect(early).toMatchObject({ status: 409, body: { code: "CONFLICT" } });

    const closed = await api.call("POST", `/api/v1/billing/periods/${periodId}/close`, { token: key });
    expect(closed.body.data).toMatchObject({
      id: periodId,
      status: "closed",
      totals: [{ meterName: "api_calls", quantity: 12, eventCount: 12 }],
    });
    const again = await api.call("POST", `/api/v1/billing/periods/${periodId}/close`, { token: key });
    expect(again.body).toEqual(closed.body);

    const invoice = await api.call("POST", `/api/v1/billing/periods/${periodId}/invoice`, { token: key });
    expect(invoice.body.data).toMatchObject({
      stripeConfigured: false,
      status: "computed",
      currency: "eur",
      totalUsage: { api_calls: 12 },
      lines: [{ meterName: "api_calls", quantity: 12, unitPrice: "0.0125", amount: "0.15", amountMinor: 15 }],
      total: "0.15",
    });
    const repeated = await api.call("POST", `/api/v1/billing/periods/${periodId}/invoice`, { token: key });
    expect(repeated.body).toEqual(invoice.body);
  });

  it("verifies without metering when no meter is named, with and without a body", async () => {
    const { key } = await api.createAccount();
    const { token } = await createAuthorizedAgent(api, key);
    for (const answer of [
      await verify(token),
      await verify(token, {}),
      await verify(token, "", { "content-type": "application/json" }),
    ]) {
      expect(answer.status).toBe(200);
      expect(answer.body.data).not.toHaveProperty("event");
    }
    const period = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
    expect(period.body.data.totals).toEqual([]);
  });

  it("records usage after a close in the next period", async () => {
    const { key } = await api.createAccount();
    const { token } = await createAuthorizedAgent(api, key);
    await verify(token, { meterName: "api_calls", quantity: 5 });
    const first = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
    await api.call("POST", `/api/v1/billing/periods/${first.body.data.id}/close`, { token: key });
    await verify(token, { meterName: "api_calls", quantity: 7 });

    const next = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
    expect(next.body.data.id).not.toBe(first.body.data.id);
    expect(next.body.data.totals).toEqual([{ meterName: "api_calls", quantity: 7, eventCount: 1 }]);
    const closed = await api.call("GET", `/api/v1/billing/periods/${first.body.data.id}`, { token: key });
    expect(closed.body.data.totals).toEqual([{ meterName: "api_calls", quantity: 5, eventCount: 1 }]);
    expect(next.body.data.startsAt).toBe(closed.body.data.endsAt);
  });

  it("keeps what it acknowledged over a restart", async () => {
    const { key } = await api.createAccount();
    const { token } = await createAuthorizedAgent(api, key);
    await Promise.all(
      Array.from({ length: 40 }, () => verify(token, { meterName: "api_calls", quantity: 3 })),
    );
    await api.restart();
    const period = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
    expect(period.body.data.totals).toEqual([{ meterName: "api_calls", quantity: 120, eventCount: 40 }]);
  });

  it("commits together what arrives at the same time, and answers none of it before", async () => {
    const { key } = await api.createAccount();
    const { token } = await createAuthorizedAgent(api, key);
    const { query } = api.db;
    let commits = 0;
    let goOn = () => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    api.db.query = async (text, values) => {
      if (text.includes("record-events")) {
        commits += 1;
        await held;
      }
      return query(text, values);
    };
    try {
      let answered = 0;
      const calls = Array.from({ length: 100 }, async () => {
        const { body } = await verify(token, { meterName: "api_calls" });
        answered += 1;
        return body.data.event.id;
      });
      await sleep(1_000);
      expect(answered).toBe(0);
      goOn();
      expect(new Set(await Promise.all(calls)).size).toBe(100);
      expect(commits).toBeLessThan(10);
    } finally {
      goOn();
      api.db.query = query;
    }
  });

  it("bills months of the account's time zone", async () => {
    try {
      api.setTime("2026-11-01T02:00:00.000Z");
      const { key } = await api.createAccount({ timeZone: "America/New_York" });
      const october = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
      expect(october.body.data).toMatchObject({
        startsAt: "2026-10-01T04:00:00.000Z",
        endsAt: "2026-11-01T04:00:00.000Z",
      });
      api.setTime("2026-11-15T00:00:00.000Z");
      const november = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
      expect(november.body.data).toMatchObject({
        startsAt: "2026-11-01T04:00:00.000Z",
        endsAt: "2026-12-01T05:00:00.000Z",
      });
    } finally {
      api.setTime(null);
    }
  });
});
