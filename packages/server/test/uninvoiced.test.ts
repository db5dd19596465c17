import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { closeCurrentPeriod, startTestApi, type TestAccount, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

interface Listed {
  readonly periodId: string;
  readonly startsAt: string;
  readonly customerId: string | null;
  readonly total: string;
}

describeOnEachDatabase("the list of what is not invoiced on $name", (database) => {
  let api: TestApi;
  let account: TestAccount;
  let periodId: string;
  beforeAll(async () => {
    api = await startTestApi(database, { logLevel: "silent" });
  }, 60_000);
  afterAll(() => api.close());

  const get = (query = "") => api.call("GET", `/api/v1/billing/uninvoiced${query}`, { token: account.key });
  const post = (path: string, body: object = {}) =>
    api.call("POST", `/api/v1/${path}`, { token: account.key, body });
  const keyOf = ({ periodId: period, customerId }: Listed) => `${period} ${customerId}`;

  /** Adds payers to a period, each with a quantity of 1, as the same agent's usage. */
  async function addPayers(count: number, period = periodId): Promise<void> {
    await api.db.query(
      `WITH one AS (SELECT environment_id, agent_id, meter_id, day FROM usage_totals WHERE period_id = $1 LIMIT 1),
       many AS (
         INSERT INTO customers (id, environment_id, name, metadata, created_at, updated_at)
         SELECT gen_random_uuid(), environment_id, 'Many', '{}', now(), now()
         FROM one, generate_series(1, $3::int) RETURNING id
       )
       INSERT INTO usage_totals (environment_id, period_id, agent_id, customer_id, meter_id, day, quantity, event_count)
       SELECT environment_id, $2, agent_id, many.id, meter_id, day, 1, 1 FROM many, one`,
      [periodId, period, count],
    );
  }

  /** Adds a closed period that starts when the first does, with two customers and the account itself. */
  async function addPeriodOfSameStart(): Promise<void> {
    const [period] = await api.db.query<{ id: string }>(
      `INSERT INTO periods (id, environment_id, status, starts_at, ends_at, closed_at, created_at)
       SELECT gen_random_uuid(), environment_id, status, starts_at, ends_at, closed_at, created_at
       FROM periods WHERE id = $1 RETURNING id`,
      [periodId],
    );
    await addPayers(2, period?.id);
    await api.db.query(
      `INSERT INTO usage_totals (environment_id, period_id, agent_id, customer_id, meter_id, day, quantity, event_count)
       SELECT environment_id, $2, agent_id, NULL, meter_id, day, 1, 1 FROM usage_totals
       WHERE period_id = $1 AND customer_id IS NULL LIMIT 1`,
      [periodId, period?.id ?? ""],
    );
  }

  /** Reads page by page, and does something between two of them. */
  async function readAll(limit: number, between: () => Promise<void> = async () => {}): Promise<Listed[]> {
    const all: Listed[] = [];
    for (let cursor = ""; ; await between()) {
      const { status, body } = await get(`?limit=${limit}${cursor}`);
      expect(status, JSON.stringify(body)).toBe(200);
      all.push(...body.data);
      if (!body.pagination.hasMore) {
        expect(body.pagination.nextCursor).toBeNull();
        return all;
      }
      expect(body.data).toHaveLength(limit);
      cursor = `&cursor=${encodeURIComponent(body.pagination.nextCursor)}`;
    }
  }

  beforeEach(async () => {
    account = await api.createAccount();
    const agent = await post("agents", { name: "a" });
    const event = { agentId: agent.body.data.id, meterName: "api_calls", quantity: 26 };
    await post("usage/events", { events: [event] });
    periodId = await closeCurrentPeriod(api, account.key);
  });

  it("has every payer once, 25 to a page unless asked otherwise, the account itself last", async () => {
    await addPayers(60);
    expect((await get()).body).toMatchObject({
      data: { length: 25 },
      pagination: { hasMore: true, nextCursor: expect.any(String) },
    });
    const all = await readAll(7);
    expect(new Set(all.map(keyOf)).size).toBe(61);
    expect(all).toHaveLength(61);
    expect(all.at(-1)).toMatchObject({ customerId: null, totalUsage: { api_calls: 26 } });
    expect(all[0]).toMatchObject({ totalUsage: { api_calls: 1 }, usage: [{ quantity: 1 }] });
    expect(await readAll(61)).toEqual(all);
  });

  it("reads on over 10,000 payers", async () => {
    await addPayers(10_001);
    const { status, body } = await get(`?periodId=${periodId}&limit=100`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ data: { length: 100 }, pagination: { hasMore: true } });
    const next = await get(`?periodId=${periodId}&cursor=${body.pagination.nextCursor}`);
    expect(next.body.data[0].customerId > body.data[99].customerId).toBe(true);
  }, 60_000);

  it.each([1, 2, 3, 4])("keeps apart periods of the same start, %i to a page", async (limit) => {
    for (let count = 0; count < 3; count += 1) await addPeriodOfSameStart();
    const all = await readAll(limit);
    expect(new Set(all.map(keyOf)).size).toBe(10);
    expect(all).toHaveLength(10);
    expect(new Set(all.map(({ startsAt }) => startsAt)).size).toBe(1);
    expect(all).toEqual((await get("?limit=100")).body.data);
  });

  it("loses and repeats none of those who were there when payers are added meanwhile", async () => {
    await addPayers(20);
    const before = (await get("?limit=100")).body.data.map(keyOf);
    const keys = (
      await readAll(5, async () => {
        if ((await get("?limit=100")).body.data.length < 40) await addPayers(4);
      })
    ).map(keyOf);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toEqual(expect.arrayContaining(before));
  });

  it("goes on behind a payer who has been invoiced since", async () => {
    await addPayers(3);
    const all = await readAll(100);
    const page = (await get("?limit=2")).body;
    const customerId = page.data[1].customerId;
    expect((await post(`billing/periods/${periodId}/invoice`, { customerId })).status).toBe(201);
    const rest = await get(`?cursor=${page.pagination.nextCursor}`);
    expect(rest.body.data).toEqual(all.slice(2));
  });

  const made = "0190f000-0000-7000-8000-000000000001";
  it.each(["next", "", made, `${made}_`, `${made}_next`, `${made}_own`, `${made}_${made}`, `own_${made}`])(
    "refuses a made-up cursor: %j",
    async (cursor) => {
      expect(await get(`?cursor=${cursor}`)).toMatchObject({
        status: 400,
        body: {
          code: "VALIDATION_ERROR",
          error: expect.stringContaining("cursor"),
          details: { issues: [{ path: "cursor" }] },
        },
      });
    },
  );

  it("takes another account's cursor for a made-up one", async () => {
    await addPayers(3);
    const { nextCursor } = (await get("?limit=1")).body.pagination;
    account = await api.createAccount();
    expect(await get(`?cursor=${nextCursor}`)).toMatchObject({ status: 400 });
  });
});
