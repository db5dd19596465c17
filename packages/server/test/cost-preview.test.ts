import { afterAll, beforeAll, expect, it } from "vitest";
import type { Queryable } from "../src/store/database.ts";
import { closeCurrentPeriod, startTestApi, type TestApi } from "./support/api.ts";
import { billedAccount, METER } from "./support/billed-account.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

describeOnEachDatabase("the preview of costs on $name", (database) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(database, { logLevel: "silent" });
  }, 60_000);
  afterAll(() => api.close());

  it("is empty and opens the period where nothing was used", async () => {
    const { get } = await billedAccount(api);
    expect(await get("billing/preview")).toEqual([]);
    expect(await get("billing/preview/agents")).toEqual([]);
    for (const path of ["preview", "preview/agents"]) {
      expect(await get(`billing/${path}?periodId=0198a1f2-7c3e-7d8a-9b61-0f6c2d4e8a10`)).toEqual([]);
    }
  });

  it("says what the invoices say once the period is closed, and their ids once they are made", async () => {
    const { account, key, get, customer, agentId, own, use, adjust, invoicesOf } = await billedAccount(api);
    await use(agentId, 8);
    await adjust(agentId, -3);
    await use(own, 2);
    const costs = await get("billing/preview");
    expect(costs).toMatchObject([
      {
        periodStatus: "open",
        customerId: customer,
        name: "Acme",
        invoiceId: null,
        currency: "usd",
        total: "0.50",
        lines: [{ meterName: METER, quantity: 5, amount: "0.50", parts: { used: "8", adjusted: "-3" } }],
      },
      { customerId: null, invoiceId: null, total: "0.20", lines: [{ quantity: 2 }] },
    ]);
    expect(await get(`billing/preview?customerId=${customer}`)).toEqual([costs[0]]);
    expect(await get(`billing/preview?customerId=${account.id}`)).toEqual([]);

    const periodId = await closeCurrentPeriod(api, key);
    const closed = await get(`billing/preview?periodId=${periodId}`);
    expect(closed).toMatchObject([{ periodStatus: "closed", total: "0.50" }, { total: "0.20" }]);
    expect(await get("billing/preview")).toEqual([]);
    const invoices = await invoicesOf(periodId);
    const billed = await get(`billing/preview?periodId=${periodId}`);
    expect(billed).toEqual(
      closed.map((cost: object, index: number) => ({ ...cost, invoiceId: invoices[index].id })),
    );
    for (const [index, { lines, total }] of invoices.entries()) {
      expect({ lines, total }).toEqual({ lines: costs[index].lines, total: costs[index].total });
    }
  });

  it("goes on saying what an invoice says that was made before a price was corrected, until it is void", async () => {
    const { key, get, make, own, use, invoicesOf } = await billedAccount(api);
    await use(own, 10);
    const { startsAt } = await get("billing/periods/current");
    const periodId = await closeCurrentPeriod(api, key);
    const [invoice] = await invoicesOf(periodId);
    const [meter] = await get(`meters?name=${METER}`);
    const price = { model: "per_unit", unitPrice: "0.07" };
    await make(`meters/${meter.id}/prices`, { price, effectiveFrom: startsAt });
    const totals = async () =>
      (await get(`billing/preview?periodId=${periodId}`)).map(
        ({ total, invoiceId }: { total: string; invoiceId: string }) => [total, invoiceId],
      );
    expect(await totals()).toEqual([["1.00", invoice.id]]);
    await make(`billing/invoices/${invoice.id}/void`);
    expect(await totals()).toEqual([["0.70", null]]);
    expect((await make(`billing/periods/${periodId}/invoice`)).total).toBe("0.70");
  });

  it("takes no price that would count only if the period went on", async () => {
    const { key, get, make, own, use, invoicesOf } = await billedAccount(api);
    const { endsAt } = await get("billing/periods/current");
    await make("meters", { name: "later" });
    const [meter] = await get("meters?name=later");
    const effectiveFrom = new Date(Date.parse(endsAt) - 1).toISOString();
    await make(`meters/${meter.id}/prices`, { price: { model: "per_unit", unitPrice: "1" }, effectiveFrom });
    await use(own, 3, "later");
    const [{ total, lines }] = await get("billing/preview");
    const periodId = await closeCurrentPeriod(api, key);
    expect(await invoicesOf(periodId)).toMatchObject([{ total, lines }]);
  });

  it("has each agent's part of each meter's line, page by page, and each once", async () => {
    const { get, call, make, customer, agentId, own, use, adjust } = await billedAccount(api);
    await make("meters", { name: "pages", price: { model: "package", packageSize: 10, packagePrice: "3" } });
    const second = (await make("agents", { name: "b", customerId: customer })).id;
    await use(agentId, 4, "pages");
    await use(second, 8, "pages");
    await use(second, 5);
    await use(own, 1);
    await adjust(own, -3, { customerId: customer });
    await adjust(own, 2, { meterName: "pages" });
    const all = await get("billing/preview/agents");
    const told = (rows: Record<string, unknown>[]) =>
      rows.map((row) =>
        ["agentName", "customerId", "meterName", "used", "adjusted", "cost"].map((of) => row[of]),
      );
    expect(told(all).sort()).toEqual(
      [
        ["a", customer, "pages", "4", "0", "2"],
        ["b", customer, "pages", "8", "0", "4"],
        ["b", customer, METER, "5", "0", "0.5"],
        ["own", null, METER, "1", "0", "0.1"],
        ["own", customer, METER, "0", "-3", "-0.3"],
        ["own", null, "pages", "0", "2", "3"],
      ].sort(),
    );
    for (const limit of [1, 2, 5]) {
      const read: Record<string, unknown>[] = [];
      for (let cursor = ""; ; ) {
        const { body } = await call("GET", `billing/preview/agents?limit=${limit}${cursor}`);
        read.push(...body.data);
        if (!body.pagination.hasMore) break;
        expect(body.data).toHaveLength(limit);
        cursor = `&cursor=${body.pagination.nextCursor}`;
      }
      expect(read).toEqual(all);
    }
    expect(told(await get(`billing/preview/agents?agentId=${own}&customerId=${customer}`))).toEqual([
      ["own", customer, METER, "0", "-3", "-0.3"],
    ]);
    expect(await call("GET", "billing/preview/agents?cursor=own")).toMatchObject({ status: 400 });
  });

  it("is read with billing:read, tells agents' names to keys that may read them, and no agent reads it", async () => {
    const { make, own, use } = await billedAccount(api);
    await use(own, 1);
    const read = (path: string, token: string) => api.call("GET", `/api/v1/billing/${path}`, { token });
    const { key: books } = await make("keys", { name: "books", scopes: ["billing:read"] });
    const { key: usage } = await make("keys", { name: "usage", scopes: ["usage:read", "agents:read"] });
    const { token } = await make("mcp/authorize", { agentId: own, scopes: ["mcp:invoke"] });
    for (const path of ["preview", "preview/agents"]) {
      expect((await read(path, books)).body.data).toMatchObject([{ customerId: null }]);
      expect(await read(path, usage)).toMatchObject({ status: 403 });
      expect(await read(path, token)).toMatchObject({ status: 401 });
    }
    const [cost] = (await read("preview/agents", books)).body.data;
    expect(cost).toMatchObject({ agentId: own, cost: "0.1" });
    expect(cost).not.toHaveProperty("agentName");
  });

  it("reads all from one moment while usage comes in", async () => {
    const { get, own, use } = await billedAccount(api);
    await use(own, 1);
    const recording = (async () => {
      for (let count = 0; count < 30; count += 1) await use(own, 1);
    })();
    let done = false;
    const end = recording.then(() => {
      done = true;
    });
    while (!done) {
      for (const { adjusted, used, cost } of await get("billing/preview/agents")) {
        expect([adjusted, cost]).toEqual(["0", String(Number(used) / 10)]);
      }
    }
    await end;
    expect(await get("billing/preview")).toMatchObject([{ total: "3.10" }]);
  });

  it("sums up 20,000 agents, and reads a page of them", async () => {
    const { get, own, use } = await billedAccount(api);
    await use(own, 1);
    const add = (tx: Queryable) =>
      tx.query(
        `WITH one AS (SELECT t.* FROM usage_totals t WHERE agent_id = $1 LIMIT 1),
       many AS (
         INSERT INTO agents (id, environment_id, name, metadata, status, created_at, updated_at)
         SELECT gen_random_uuid(), environment_id, 'many', '{}', 'active', now(), now()
         FROM one, generate_series(1, 20000) RETURNING id
       )
       INSERT INTO usage_totals (environment_id, period_id, agent_id, customer_id, meter_id, day, quantity, event_count)
       SELECT environment_id, period_id, many.id, customer_id, meter_id, day, 1, 1 FROM one, many`,
        [own],
      );
    await api.db.transaction(add, { queryTimeout: 60_000 });
    expect(await get("billing/preview")).toMatchObject([{ total: "2000.10" }]);
    const costs = await get("billing/preview/agents?limit=100");
    expect(costs).toHaveLength(100);
    expect(new Set(costs.map(({ cost }: { cost: string }) => cost))).toEqual(new Set(["0.1"]));
  }, 60_000);
});
