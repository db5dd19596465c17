import type { KeyScope } from "@licentric/contract";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { closeCurrentPeriod, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

describeOnEachDatabase("usage over time on $name", (database) => {
  let api: TestApi;
  let key: string;
  beforeAll(async () => {
    // Ids are made of the system's time: it only goes forward in this file, as it does outside.
    vi.useFakeTimers({ toFake: ["Date"], now: new Date("2026-01-10T12:00:00.000Z") });
    api = await startTestApi(database);
  }, 60_000);
  beforeEach(async () => {
    ({ key } = await api.createAccount({ timeZone: "Europe/Berlin" }));
  });
  afterAll(async () => {
    vi.useRealTimers();
    await api.close();
  });

  const post = async (path: string, body: unknown) =>
    (await api.call("POST", `/api/v1${path}`, { token: key, body })).body.data;
  const createAgent = async (name: string, customerId?: string): Promise<string> =>
    (await post("/agents", { name, ...(customerId && { customerId }) })).id;
  const record = async (
    agentId: string,
    usage: Readonly<Record<string, number>>,
    meterName = "api_calls",
  ) => {
    const events = Object.entries(usage).map(([timestamp, quantity]) => ({
      agentId,
      meterName,
      timestamp,
      quantity,
    }));
    const { results } = await post("/usage/events", { events });
    expect(results.map(({ status }: { status: string }) => status)).toEqual(events.map(() => "recorded"));
  };
  const ask = (query: Readonly<Record<string, string>>, token = key) =>
    api.call("GET", `/api/v1/usage/timeseries?${new URLSearchParams(query)}`, { token });
  const series = async (query: Readonly<Record<string, string>>) => {
    const { status, body } = await ask(query);
    expect({ status, error: body.error }).toEqual({ status: 200, error: undefined });
    return body.data;
  };
  /** The beginnings of intervals with their quantities. */
  const quantities = async (query: Readonly<Record<string, string>>) =>
    (await series(query)).map(({ startsAt, quantity }: { startsAt: string; quantity: number }) => [
      startsAt.replace(".000Z", "Z"),
      quantity,
    ]);

  it("has days of 23 hours where clocks are put forward, and months that end there", async () => {
    vi.setSystemTime("2026-04-01T12:00:00.000Z");
    await record(await createAgent("Early bird"), {
      "2026-03-28T22:59:59.999Z": 1,
      "2026-03-28T23:00:00.000Z": 2,
      "2026-03-29T21:59:59.999Z": 4,
      "2026-03-29T22:00:00.000Z": 8,
      "2026-03-31T22:00:00.000Z": 16,
    });
    expect(await quantities({ from: "2026-03-28" })).toEqual([
      ["2026-03-27T23:00:00Z", 1],
      ["2026-03-28T23:00:00Z", 6],
      ["2026-03-29T22:00:00Z", 8],
      ["2026-03-31T22:00:00Z", 16],
    ]);
    expect(await series({ interval: "month", from: "2026-03-15T00:00:00Z" })).toMatchObject([
      { startsAt: "2026-02-28T23:00:00.000Z", endsAt: "2026-03-31T22:00:00.000Z", quantity: 15 },
      { startsAt: "2026-03-31T22:00:00.000Z", endsAt: "2026-04-30T22:00:00.000Z", quantity: 16 },
    ]);
  });

  it("has usage in the hour and day it happened in, whichever period it was recorded in", async () => {
    vi.setSystemTime("2026-05-20T12:00:00.000Z");
    const agentId = await createAgent("Late");
    await record(agentId, { "2026-05-19T10:00:00Z": 1 });
    vi.setSystemTime("2026-06-02T12:00:00.000Z");
    await post("/usage/events", { events: [{ agentId, meterName: "api_calls" }] });
    const { body } = await api.call("GET", "/api/v1/billing/periods?limit=2", { token: key });
    await api.call("POST", `/api/v1/billing/periods/${body.data[1].id}/close`, { token: key });
    await record(agentId, { "2026-05-19T10:30:00Z": 2, "2026-05-19T11:30:00Z": 4 });
    vi.setSystemTime("2026-06-20T12:00:00.000Z");
    await closeCurrentPeriod(api, key);
    await record(agentId, { "2026-05-19T11:45:00Z": 8 });

    const day = { from: "2026-05-19", to: "2026-05-20" };
    expect(await quantities(day)).toEqual([["2026-05-18T22:00:00Z", 15]]);
    expect(await quantities({ interval: "hour", ...day })).toEqual([
      ["2026-05-19T10:00:00Z", 3],
      ["2026-05-19T11:00:00Z", 12],
    ]);
    expect(await quantities({ interval: "month" })).toEqual([
      ["2026-04-30T22:00:00Z", 15],
      ["2026-05-31T22:00:00Z", 1],
    ]);
  });

  it("has the hours of a zone that is half an hour off, so that they add up to its days", async () => {
    vi.setSystemTime("2026-06-21T12:00:00.000Z");
    ({ key } = await api.createAccount({ timeZone: "Asia/Kolkata" }));
    await record(await createAgent("Pune"), { "2026-06-20T18:29:59Z": 1, "2026-06-20T18:30:00Z": 2 });
    const day = { from: "2026-06-21", to: "2026-06-22" };
    expect(await quantities({ interval: "hour", ...day })).toEqual([["2026-06-20T18:30:00Z", 2]]);
    expect(await quantities(day)).toEqual([["2026-06-20T18:30:00Z", 2]]);
  });

  it("splits by agent and customer with their names, also of a deleted agent, and narrows", async () => {
    vi.setSystemTime("2026-06-22T12:00:00.000Z");
    const customer = await post("/customers", { name: "Big & Co" });
    await post("/meters", { name: "pages" });
    const own = await createAgent("Own");
    const theirs = await createAgent("Theirs", customer.id);
    await record(own, { "2026-06-21T10:00:00Z": 1 });
    await record(theirs, { "2026-06-21T10:00:00Z": 2, "2026-06-22T10:00:00Z": 4 });
    await record(theirs, { "2026-06-22T10:00:00Z": 8 }, "pages");
    await api.call("DELETE", `/api/v1/agents/${own}`, { token: key });

    for (const interval of ["hour", "day", "month"]) {
      const since = { interval, from: "2026-06-21" };
      const total = async (query: Readonly<Record<string, string>>) => {
        const rows: { quantity: number; eventCount: number }[] = await series({ ...since, ...query });
        return rows.reduce((sum, { quantity }) => sum + quantity, 0);
      };
      expect(await total({})).toBe(15);
      expect(await total({ agentId: theirs })).toBe(14);
      expect(await total({ customerId: customer.id })).toBe(14);
      expect(await total({ meterName: "pages" })).toBe(8);
      expect(await total({ agentId: "nobody" })).toBe(0);
      const rows = await series({ ...since, groupBy: "customer,agent", meterName: "api_calls" });
      const names = new Set(
        rows.map((row: Record<string, unknown>) => [
          row["agentId"],
          row["agentName"],
          row["customerId"],
          row["customerName"],
        ]),
      );
      expect(names).toContainEqual([own, "Own", null, null]);
      expect(names).toContainEqual([theirs, "Theirs", customer.id, "Big & Co"]);
    }
    expect(await quantities({ interval: "hour", from: "2026-06-22T10:59:00Z" })).toEqual([
      ["2026-06-22T10:00:00Z", 4],
      ["2026-06-22T10:00:00Z", 8],
    ]);
  });

  it("tells a key no name of what it may not read", async () => {
    vi.setSystemTime("2026-06-23T12:00:00.000Z");
    const account = await api.createAccount();
    ({ key } = account);
    const customer = await post("/customers", { name: "Secret & Co" });
    await record(await createAgent("Theirs", customer.id), { "2026-06-23T10:00:00Z": 1 });
    await record(await createAgent("Own"), { "2026-06-23T10:00:00Z": 2 });
    const asked = { interval: "hour", from: "2026-06-23", groupBy: "customer,agent" };
    const seenWith = async (...more: KeyScope[]) => {
      const token = await api.createKey(account, "test", ["usage:read", ...more]);
      const { status, body } = await ask(asked, token);
      expect({ status, ids: new Set(body.data.map(idOf)) }).toEqual({
        status: 200,
        ids: new Set([customer.id, null]),
      });
      return JSON.stringify(body.data);
    };
    const idOf = ({ customerId }: { customerId: string | null }) => customerId;
    const alone = await seenWith();
    for (const name of ["Secret & Co", "Theirs", "Own", "agentName", "customerName"])
      expect(alone).not.toContain(name);
    const agents = await seenWith("agents:read");
    expect(agents).toContain("Theirs");
    expect(agents).not.toContain("customerName");
    const customers = await seenWith("customers:read");
    expect(customers).toContain("Secret & Co");
    expect(customers).toContain('"customerName":null');
    expect(customers).not.toContain("agentName");
  });

  it("says that hours are gone where the events are archived, and still has the days", async () => {
    vi.setSystemTime("2026-06-25T12:00:00.000Z");
    const agentId = await createAgent("Archived");
    await record(agentId, { "2026-06-19T10:00:00Z": 3 });
    await api.db.query(
      `INSERT INTO archived_totals SELECT '2026-06-01', environment_id, period_id, agent_id, customer_id, meter_id, day, quantity, event_count
       FROM usage_totals WHERE agent_id = $1`,
      [agentId],
    );
    await api.db.query("DELETE FROM metered_events WHERE agent_id = $1", [agentId]);
    const day = { from: "2026-06-19", to: "2026-06-20" };
    expect(await ask({ interval: "hour", ...day })).toMatchObject({
      status: 422,
      body: { error: expect.stringContaining("by day") },
    });
    expect(await quantities(day)).toEqual([["2026-06-18T22:00:00Z", 3]]);
    expect(await quantities({ interval: "hour" })).toEqual([]);
  });

  it("adds up to the totals for 300 random events, by each interval and grouping", async () => {
    vi.setSystemTime("2026-06-30T20:00:00.000Z");
    const agents = [await createAgent("one"), await createAgent("two"), await createAgent("three")];
    const events = Array.from({ length: 300 }, (_, index) => ({
      agentId: agents[index % 3],
      meterName: "api_calls",
      quantity: (index * 7) % 31 || 1,
      timestamp: new Date(Date.UTC(2026, 5, 24) + ((index * 7_919_000) % (6 * 86_400_000))).toISOString(),
    }));
    await post("/usage/events", { events });
    const expected = events.reduce((sum, { quantity }) => sum + quantity, 0);
    for (const interval of ["hour", "day", "month"]) {
      for (const groupBy of [{}, { groupBy: "agent" }, { groupBy: "customer" }]) {
        const rows = await series({ interval, from: "2026-06-24", to: "2026-07-01", ...groupBy });
        const sum = (of: "quantity" | "eventCount") =>
          rows.reduce((all: number, row: Record<string, number>) => all + (row[of] ?? 0), 0);
        expect([sum("quantity"), sum("eventCount")]).toEqual([expected, 300]);
      }
    }
  });

  it("has days of 25 hours where clocks are put back, and hours that come twice", async () => {
    vi.setSystemTime("2026-10-31T12:00:00.000Z");
    const agentId = await createAgent("Night owl");
    await record(agentId, {
      "2026-10-24T21:59:59.999Z": 1,
      "2026-10-24T22:00:00.000Z": 2,
      "2026-10-25T00:30:00.000Z": 4,
      "2026-10-25T01:30:00.000Z": 8,
      "2026-10-25T22:59:59.999Z": 16,
      "2026-10-25T23:00:00.000Z": 32,
    });
    expect(await quantities({ from: "2026-10-24", to: "2026-10-27" })).toEqual([
      ["2026-10-23T22:00:00Z", 1],
      ["2026-10-24T22:00:00Z", 30],
      ["2026-10-25T23:00:00Z", 32],
    ]);
    expect(await series({ from: "2026-10-25", to: "2026-10-26" })).toEqual([
      {
        startsAt: "2026-10-24T22:00:00.000Z",
        endsAt: "2026-10-25T23:00:00.000Z",
        meterName: "api_calls",
        quantity: 30,
        eventCount: 4,
      },
    ]);
    expect(await quantities({ interval: "hour", from: "2026-10-25", to: "2026-10-26" })).toEqual([
      ["2026-10-24T22:00:00Z", 2],
      ["2026-10-25T00:00:00Z", 4],
      ["2026-10-25T01:00:00Z", 8],
      ["2026-10-25T22:00:00Z", 16],
    ]);
  });

  it("takes as much time as an interval allows, the hour that clocks are put back by included, and no more", async () => {
    vi.setSystemTime("2026-11-05T12:00:00.000Z");
    expect((await ask({ interval: "hour", from: "2026-10-20", to: "2026-10-27" })).status).toBe(200);
    expect((await ask({ interval: "day", from: "2025-11-05", to: "2026-11-05" })).status).toBe(200);
    for (const [query, path, message] of [
      [{ interval: "hour", from: "2026-10-20", to: "2026-10-28" }, "from", "7 days"],
      [{ interval: "day", from: "2025-11-03", to: "2026-11-05" }, "from", "366 days"],
      [{ interval: "month", from: "2000-01-01" }, "from", "3660 days"],
      [{ from: "2026-11-05", to: "2026-11-05" }, "to", "later"],
      [{ from: "2026-12-05" }, "to", "later"],
      [{ from: "2026-02-30" }, "from", ""],
      [{ from: "yesterday" }, "from", ""],
      [{ from: "1999-12-31" }, "from", "2000"],
      [{ interval: "week" }, "interval", ""],
    ] as const) {
      const { status, body } = await ask(query);
      expect({ query, status, path: body.details?.issues?.[0]?.path }).toEqual({ query, status: 400, path });
      expect(body.error).toContain(message);
    }
    for (const [from, to] of [
      ["2000-01-01", "2000-06-01"],
      ["2999-01-01T00:00:00+14:00", "2999-12-31"],
    ] as const) {
      expect(await series({ from, to })).toEqual([]);
    }
  });
});
