import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { checkTotals } from "../src/metering/check-totals.ts";
import { removeByAge } from "../src/retention.ts";
import { closeCurrentPeriod, createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

const MISSING = "01890a5d-ac96-774b-bcce-b302099a8057";

describeOnEachDatabase("usage on $name", (database) => {
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

  const record = (events: unknown[], headers: Record<string, string> = {}) =>
    api.call("POST", "/api/v1/usage/events", { token: key, body: { events }, headers });
  const get = async (path: string) => (await api.call("GET", `/api/v1${path}`, { token: key })).body.data;

  it("finds an event by its idempotency key, of each agent that used it, for as long as keys are kept", async () => {
    const other = await createAuthorizedAgent(api, key);
    const stranger = await api.createAccount();
    const named = { meterName: "api_calls", idempotencyKey: "call 1/&" };
    await record([
      { agentId, ...named, quantity: 2 },
      { agentId: other.agentId, ...named, quantity: 3 },
      { agentId, ...named, idempotencyKey: "another", quantity: 4 },
    ]);
    const under = encodeURIComponent(named.idempotencyKey);
    const found = async (more = "", token = key) =>
      (await api.call("GET", `/api/v1/usage/events?idempotencyKey=${under}${more}`, { token })).body.data.map(
        ({ quantity }: { quantity: number }) => quantity,
      );
    expect(await found()).toEqual([3, 2]);
    expect(await found(`&agentId=${agentId}`)).toEqual([2]);
    expect(await found(`&agentId=${MISSING}`)).toEqual([]);
    expect(await found("&meterName=other")).toEqual([]);
    expect(await found("", stranger.key)).toEqual([]);
    const [first] = await get(`/usage/events?idempotencyKey=${under}&limit=1`);
    expect(await found(`&cursor=${first.id}`)).toEqual([2]);
    const later = new Date(Date.now() + 91 * 86_400_000);
    while ((await removeByAge(api.db, {}, later)).size > 0);
    expect(await found()).toEqual([]);
    expect(await get(`/usage/events?agentId=${other.agentId}`)).toMatchObject([
      { idempotencyKey: "call 1/&" },
    ]);
  });

  it("leaves the events out of a batch's response where the request prefers the minimum", async () => {
    const one = { agentId, meterName: "api_calls", idempotencyKey: "one" };
    const events = [one, one, { agentId, meterName: "no_such_meter" }];
    const answer = await record(events, { prefer: 'respond-async, Return = "minimal"' });
    expect(answer.headers["preference-applied"]).toBe("return=minimal");
    expect(answer.body.data.results).toEqual([
      { status: "recorded" },
      { status: "duplicate" },
      { status: "rejected", code: "UNPROCESSABLE", error: expect.stringContaining("no_such_meter") },
    ]);
    expect(await get(`/usage/events?agentId=${agentId}`)).toMatchObject([{ idempotencyKey: "one" }]);
    for (const prefer of ["return=representation", "return=minimalist", "wait=1; return=minimal", ""]) {
      const whole = await record([one], { prefer });
      expect(whole.headers["preference-applied"]).toBeUndefined();
      expect(whole.body.data.results).toMatchObject([{ status: "duplicate", event: { agentId } }]);
    }
  });

  it("records each event of a batch by itself, with an outcome for each in order", async () => {
    const good = { agentId, meterName: "api_calls", quantity: 2, metadata: { job: "1" } };
    const answer = await record([
      good,
      { ...good, quantity: 0 },
      { ...good, agentId: MISSING },
      { ...good, agentId: "agt_unknown" },
      { ...good, meterName: "no_such_meter" },
      { ...good, surprise: true },
      "not an event",
      { ...good, metadata: { text: "NUL \u0000" } },
      { ...good, metadata: { text: "half a pair \ud800" } },
      { agentId, meterName: "api_calls" },
    ]);
    expect(answer.status).toBe(200);
    expect(answer.body.data.results).toMatchObject([
      { status: "recorded", event: { agentId, meterName: "api_calls", quantity: 2, metadata: { job: "1" } } },
      {
        status: "rejected",
        code: "VALIDATION_ERROR",
        issues: [{ path: "events.1.quantity", message: expect.stringContaining("at least 1") }],
      },
      { status: "rejected", code: "NOT_FOUND" },
      { status: "rejected", code: "NOT_FOUND", error: expect.stringContaining("agt_unknown") },
      { status: "rejected", error: expect.stringContaining("no_such_meter") },
      { status: "rejected", code: "VALIDATION_ERROR", issues: [{ path: "events.5" }] },
      { status: "rejected", code: "VALIDATION_ERROR", issues: [{ path: "events.6" }] },
      { status: "rejected", code: "VALIDATION_ERROR", issues: [{ path: "events.7.metadata.text" }] },
      { status: "rejected", code: "VALIDATION_ERROR", issues: [{ path: "events.8.metadata.text" }] },
      { status: "recorded", event: { quantity: 1, metadata: {} } },
    ]);
    expect(await get("/usage/totals")).toEqual([{ meterName: "api_calls", quantity: 3, eventCount: 2 }]);
  });

  it("takes 1,000 events in one request and no more", async () => {
    const event = { agentId, meterName: "api_calls" };
    const full = await record(Array.from({ length: 1_000 }, () => event));
    expect(full.body.data.results).toHaveLength(1_000);
    const over = await record(Array.from({ length: 1_001 }, () => event));
    expect(over).toMatchObject({ status: 400, body: { code: "VALIDATION_ERROR" } });
    expect((await record([])).status).toBe(400);
    expect(await get("/usage/totals")).toEqual([
      { meterName: "api_calls", quantity: 1_000, eventCount: 1_000 },
    ]);
  });

  it("records an event's idempotency key once, whoever sends it", async () => {
    const event = { agentId, meterName: "api_calls", quantity: 4, idempotencyKey: "job-1" };
    const [first, second] = (await record([event, event])).body.data.results;
    expect([first.status, second.status].toSorted()).toEqual(["duplicate", "recorded"]);
    expect(second.event.id).toBe(first.event.id);
    const conflict = await record([{ ...event, quantity: 5 }]);
    expect(conflict.body.data.results).toMatchObject([{ status: "rejected", code: "IDEMPOTENCY_CONFLICT" }]);
    const verified = await api.call("POST", "/api/v1/mcp/verify", {
      token,
      body: { meterName: "api_calls", quantity: 4 },
      headers: { "idempotency-key": "job-1" },
    });
    expect(verified.body.data.event).toMatchObject({ id: first.event.id, duplicate: true });
    expect(await get("/usage/totals")).toMatchObject([{ quantity: 4, eventCount: 1 }]);
  });

  it("says how long ago a repeated key was recorded, and nothing of the kind for one that is not repeated", async () => {
    const start = Date.now();
    const verify = async (seconds: number) => {
      api.setTime(new Date(start + seconds * 1_000));
      const answer = await api.call("POST", "/api/v1/mcp/verify", {
        token,
        body: { meterName: "api_calls" },
        headers: { "idempotency-key": "call-1" },
      });
      return answer.body.data.event;
    };
    const first = await verify(0);
    expect(first).toEqual({ id: first.id, meterName: "api_calls", quantity: 1, duplicate: false });
    expect(await verify(90)).toEqual({ ...first, duplicate: true, age: 90_000 });
    // A clock that was set back, or another process's.
    expect(await verify(-1)).toEqual({ ...first, duplicate: true, age: 0 });
  });

  it("records a batch once that is repeated under its request's key", async () => {
    const events = [
      { agentId, meterName: "api_calls" },
      { agentId, meterName: "api_calls", quantity: 2 },
      { agentId, meterName: "api_calls", idempotencyKey: "own" },
    ];
    const [first, second] = await Promise.all([
      record(events, { "idempotency-key": "nightly" }),
      record(events, { "idempotency-key": "nightly" }),
    ]);
    const ids = (answer: typeof first) =>
      answer.body.data.results.map(({ event }: { event: { id: string } }) => event.id);
    expect(ids(first)).toEqual(ids(second));
    await record(events.slice(0, 2), { "idempotency-key": "another night" });
    expect(await get("/usage/totals")).toMatchObject([{ quantity: 7, eventCount: 5 }]);
  });

  it("puts past usage into its own period while that is open, and into the next open one after", async () => {
    api.setTime("2026-05-20T12:00:00.000Z");
    ({ key } = await api.createAccount());
    ({ agentId } = await createAuthorizedAgent(api, key));
    const may = (await get("/billing/periods/current")).id;
    api.setTime("2026-06-10T12:00:00.000Z");
    const june = (await get("/billing/periods/current")).id;
    expect(june).not.toBe(may);
    const event = { agentId, meterName: "api_calls", timestamp: "2026-05-31T23:59:59.999Z" };
    expect((await record([event])).body.data.results).toMatchObject([
      { status: "recorded", event: { periodId: may, timestamp: event.timestamp } },
    ]);
    await api.call("POST", `/api/v1/billing/periods/${may}/close`, { token: key });
    expect((await record([event])).body.data.results).toMatchObject([
      { status: "recorded", event: { periodId: june, timestamp: event.timestamp } },
    ]);
    const days = await get(`/usage/totals?periodId=${june}&groupBy=day`);
    expect(days).toEqual([{ meterName: "api_calls", day: "2026-05-31", quantity: 1, eventCount: 1 }]);
  });

  it("takes a clock that is a little ahead for now, and rejects the future and the distant past", async () => {
    api.setTime("2026-06-30T23:58:00.000Z");
    const event = { agentId, meterName: "api_calls" };
    const answer = await record([
      { ...event, timestamp: "2026-07-01T00:03:00.000Z" },
      { ...event, timestamp: "2026-07-01T00:03:00.001Z" },
      { ...event, timestamp: "1999-12-31T23:59:59.999Z" },
      { ...event, timestamp: "0000-01-01T00:00:00Z" },
      { ...event, timestamp: "yesterday" },
      { ...event, timestamp: "2026-06-30T20:00:00.000-03:00" },
    ]);
    expect(answer.body.data.results).toMatchObject([
      { status: "recorded", event: { timestamp: "2026-06-30T23:58:00.000Z" } },
      { status: "rejected", code: "VALIDATION_ERROR", issues: [{ path: "events.1.timestamp" }] },
      { status: "rejected", code: "VALIDATION_ERROR", issues: [{ path: "events.2.timestamp" }] },
      { status: "rejected", code: "VALIDATION_ERROR", issues: [{ path: "events.3.timestamp" }] },
      { status: "rejected", code: "VALIDATION_ERROR" },
      { status: "recorded", event: { timestamp: "2026-06-30T23:00:00.000Z" } },
    ]);
  });

  it("still records usage of a deleted agent that is reported late", async () => {
    await api.call("DELETE", `/api/v1/agents/${agentId}`, { token: key });
    expect((await record([{ agentId, meterName: "api_calls" }])).body.data.results).toMatchObject([
      { status: "recorded" },
    ]);
  });

  it("refuses one event that would overflow a total, and no other of its batch", async () => {
    const { id: periodId } = await get("/billing/periods/current");
    await record([{ agentId, meterName: "api_calls" }]);
    await api.db.query(
      "UPDATE usage_totals SET quantity = 9007199254740990 WHERE period_id = $1 AND agent_id = $2",
      [periodId, agentId],
    );
    const other = await createAuthorizedAgent(api, key);
    const answer = await record([
      { agentId: other.agentId, meterName: "api_calls" },
      { agentId, meterName: "api_calls", quantity: 2 },
      { agentId: other.agentId, meterName: "api_calls" },
    ]);
    expect(answer.body.data.results).toMatchObject([
      { status: "recorded" },
      { status: "rejected", code: "UNPROCESSABLE" },
      { status: "recorded" },
    ]);
    await api.db.query("UPDATE usage_totals SET quantity = 1 WHERE period_id = $1 AND agent_id = $2", [
      periodId,
      agentId,
    ]);
  });

  it("answers a sum that JSON does not carry exactly as a decimal text, too, and its parts as numbers", async () => {
    const other = await createAuthorizedAgent(api, key);
    await record([agentId, other.agentId].map((id) => ({ agentId: id, meterName: "api_calls" })));
    const { id: periodId } = await get("/billing/periods/current");
    const set = (quantity: number) =>
      api.db.query("UPDATE usage_totals SET quantity = $2 WHERE period_id = $1", [periodId, quantity]);
    await set(Number.MAX_SAFE_INTEGER);
    const quantity = Number.MAX_SAFE_INTEGER;
    expect(await get("/usage/totals")).toEqual([
      { meterName: "api_calls", quantity: 2 * quantity, quantityDecimal: "18014398509481982", eventCount: 2 },
    ]);
    expect(await get("/usage/totals?groupBy=agent")).toEqual([
      { meterName: "api_calls", agentId, quantity, eventCount: 1 },
      { meterName: "api_calls", agentId: other.agentId, quantity, eventCount: 1 },
    ]);
    await set(1);
  });

  it("lists events newest first, page by page, narrowed by what is asked for", async () => {
    const customer = (await api.call("POST", "/api/v1/customers", { token: key, body: { name: "Payer" } }))
      .body.data;
    const theirs = (
      await api.call("POST", "/api/v1/agents", { token: key, body: { name: "x", customerId: customer.id } })
    ).body.data;
    await api.call("POST", "/api/v1/meters", { token: key, body: { name: "pages" } });
    await record([{ agentId, meterName: "api_calls", quantity: 1 }]);
    await record([{ agentId, meterName: "pages", quantity: 2 }]);
    const before = await closeCurrentPeriod(api, key);
    await record([{ agentId: theirs.id, meterName: "pages", quantity: 3 }]);

    const quantities = async (query: string) =>
      (await get(`/usage/events${query}`)).map(({ quantity }: { quantity: number }) => quantity);
    expect(await quantities("")).toEqual([3, 2, 1]);
    expect(await quantities(`?agentId=${agentId}`)).toEqual([2, 1]);
    expect(await quantities(`?customerId=${customer.id}`)).toEqual([3]);
    expect(await quantities("?meterName=pages")).toEqual([3, 2]);
    expect(await quantities(`?meterName=pages&periodId=${before}`)).toEqual([2]);
    expect(await quantities("?agentId=nobody")).toEqual([]);
    const page = await api.call("GET", "/api/v1/usage/events?limit=2", { token: key });
    expect(page.body.pagination.hasMore).toBe(true);
    expect(await quantities(`?limit=2&cursor=${page.body.pagination.nextCursor}`)).toEqual([1]);
  });

  it("sums usage by meter, agent, customer and day in the account's time zone", async () => {
    api.setTime("2026-06-10T12:00:00.000Z");
    ({ key } = await api.createAccount({ timeZone: "Asia/Tokyo" }));
    const customer = (await api.call("POST", "/api/v1/customers", { token: key, body: { name: "Payer" } }))
      .body.data;
    const agents = await Promise.all(
      [null, customer.id].map(
        async (customerId) =>
          (await api.call("POST", "/api/v1/agents", { token: key, body: { name: "a", customerId } })).body
            .data.id,
      ),
    );
    const [own, theirs] = agents;
    const at = (timestamp: string) => ({ meterName: "api_calls", timestamp });
    await record([
      { agentId: own, quantity: 1, ...at("2026-06-08T14:59:59.999Z") },
      { agentId: own, quantity: 2, ...at("2026-06-08T15:00:00.000Z") },
      { agentId: theirs, quantity: 4, ...at("2026-06-08T15:00:00.000Z") },
    ]);
    const sum = (quantity: number, eventCount: number) => ({ meterName: "api_calls", quantity, eventCount });
    expect(await get("/usage/totals")).toEqual([sum(7, 3)]);
    expect(await get("/usage/totals?groupBy=day")).toEqual([
      { ...sum(1, 1), day: "2026-06-08" },
      { ...sum(6, 2), day: "2026-06-09" },
    ]);
    expect(new Set(await get("/usage/totals?groupBy=agent"))).toEqual(
      new Set([
        { ...sum(3, 2), agentId: own },
        { ...sum(4, 1), agentId: theirs },
      ]),
    );
    expect(new Set(await get("/usage/totals?groupBy=customer,day"))).toEqual(
      new Set([
        { ...sum(1, 1), customerId: null, day: "2026-06-08" },
        { ...sum(2, 1), customerId: null, day: "2026-06-09" },
        { ...sum(4, 1), customerId: customer.id, day: "2026-06-09" },
      ]),
    );
    expect(await get(`/usage/totals?customerId=${customer.id}`)).toEqual([sum(4, 1)]);
    expect(await get("/usage/totals?meterName=pages")).toEqual([]);
    expect((await api.call("GET", "/api/v1/usage/totals?groupBy=moon", { token: key })).status).toBe(400);
  });

  it("has totals that are the sum of the events, and finds one that is not", async () => {
    await record(
      Array.from({ length: 30 }, (_, index) => ({ agentId, meterName: "api_calls", quantity: index + 1 })),
    );
    await closeCurrentPeriod(api, key);
    await record([{ agentId, meterName: "api_calls" }]);
    expect(await checkTotals(api.db)).toEqual([]);

    await api.db.query(
      "UPDATE usage_totals SET quantity = quantity + 1 WHERE agent_id = $1 AND event_count = 30",
      [agentId],
    );
    await api.db.query("DELETE FROM usage_totals WHERE agent_id = $1 AND event_count = 1", [agentId]);
    const differences = await checkTotals(api.db);
    expect(new Set(differences)).toEqual(
      new Set([
        expect.objectContaining({
          agentId,
          meterName: "api_calls",
          kept: { quantity: "466", eventCount: "30" },
          computed: { quantity: "465", eventCount: "30" },
        }),
        expect.objectContaining({
          kept: { quantity: "0", eventCount: "0" },
          computed: { quantity: "1", eventCount: "1" },
        }),
      ]),
    );
    await api.db.query("UPDATE usage_totals SET quantity = 465 WHERE agent_id = $1", [agentId]);
    await api.db.query("DELETE FROM metered_events WHERE agent_id = $1 AND quantity = 1", [agentId]);
    expect((await checkTotals(api.db)).filter((one) => one.agentId === agentId)).toHaveLength(1);
  });
});
