import { DEFAULT_MAX_QUANTITY_PER_CALL, MAX_QUANTITY } from "@licentric/contract";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { checkTotals } from "../src/metering/check-totals.ts";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

describeOnEachDatabase("a meter's limit for one call on $name", (database) => {
  let api: TestApi;
  let key: string;
  let agentId: string;
  let token: string;
  let meterId: string;
  beforeAll(async () => {
    api = await startTestApi(database);
  }, 60_000);
  beforeEach(async () => {
    ({ key } = await api.createAccount());
    ({ agentId, token } = await createAuthorizedAgent(api, key));
    meterId = (await call("GET", "/meters?name=api_calls")).body.data[0].id;
  });
  afterEach(() => api.setTime(null));
  afterAll(() => api.close());

  const call = (method: "GET" | "POST" | "PATCH", path: string, body?: unknown) =>
    api.call(method, `/api/v1${path}`, { token: key, body });
  const mcp = (path: string, body: object = {}, idempotencyKey?: string) =>
    api.call("POST", `/api/v1/mcp${path}`, {
      token,
      body,
      headers: idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey },
    });
  const verify = (quantity: number, idempotencyKey?: string, more: object = {}) =>
    mcp("/verify", { meterName: "api_calls", quantity, ...more }, idempotencyKey);
  const limitTo = async (maxQuantityPerCall: number) =>
    expect((await call("PATCH", `/meters/${meterId}`, { maxQuantityPerCall })).status).toBe(200);
  const total = async () =>
    (await call("GET", `/usage/totals?agentId=${agentId}`)).body.data[0] ?? { quantity: 0, eventCount: 0 };

  it("is a million where the owner says nothing, and is read, set and changed", async () => {
    expect(DEFAULT_MAX_QUANTITY_PER_CALL).toBe(1_000_000);
    expect((await call("GET", `/meters/${meterId}`)).body.data).toMatchObject({
      maxQuantityPerCall: 1_000_000,
    });
    const made = await call("POST", "/meters", { name: "tokens", maxQuantityPerCall: 5_000 });
    expect(made).toMatchObject({ status: 201, body: { data: { maxQuantityPerCall: 5_000 } } });
    expect((await call("POST", "/meters", { name: "pages" })).body.data.maxQuantityPerCall).toBe(1_000_000);
    const changed = await call("PATCH", `/meters/${meterId}`, { maxQuantityPerCall: MAX_QUANTITY });
    expect(changed.body.data).toMatchObject({ id: meterId, maxQuantityPerCall: MAX_QUANTITY });
    await call("PATCH", `/meters/${meterId}`, { displayName: "Calls" });
    const listed = (await call("GET", "/meters")).body.data;
    expect(listed.map((meter: { maxQuantityPerCall: number }) => meter.maxQuantityPerCall)).toEqual([
      1_000_000,
      5_000,
      MAX_QUANTITY,
    ]);
  });

  it.each([0, -1, 1.5, MAX_QUANTITY + 1, "10", null])("cannot be %j", async (maxQuantityPerCall) => {
    for (const answer of [
      await call("PATCH", `/meters/${meterId}`, { maxQuantityPerCall }),
      await call("POST", "/meters", { name: "tokens", maxQuantityPerCall }),
    ]) {
      expect(answer).toMatchObject({
        status: 400,
        body: { details: { issues: [{ path: "maxQuantityPerCall" }] } },
      });
    }
  });

  it("refuses an agent's own call that is over it, says what to do, and records nothing", async () => {
    const refused = await verify(1_000_001);
    expect(refused).toMatchObject({
      status: 422,
      body: {
        code: "UNPROCESSABLE",
        details: {
          meterName: "api_calls",
          maxQuantityPerCall: 1_000_000,
          issues: [{ path: "quantity", code: "too_big" }],
        },
      },
    });
    expect(refused.body.error).toBe(
      'quantity: 1000001 is more than the 1000000 that one call may use of the meter "api_calls", so nothing was recorded. Its owner can raise the meter\'s maxQuantityPerCall (PATCH /api/v1/meters/:meterId).',
    );
    expect(await mcp("/reserve", { meterName: "api_calls", quantity: 1_000_001 })).toMatchObject({
      status: 422,
      body: { code: "UNPROCESSABLE", error: refused.body.error },
    });
    expect(await total()).toEqual({ quantity: 0, eventCount: 0 });
    expect((await verify(1_000_000)).status).toBe(200);
    expect((await mcp("/reserve", { meterName: "api_calls", quantity: 1_000_000 })).status).toBe(201);
    await limitTo(2);
    expect((await verify(3)).status).toBe(422);
    expect((await verify(2)).status).toBe(200);
    expect(await total()).toEqual({ meterName: "api_calls", quantity: 1_000_002, eventCount: 2 });
  });

  it("refuses one call and none that arrives with it", async () => {
    await limitTo(10);
    const other = await createAuthorizedAgent(api, key);
    const quantities = Array.from({ length: 32 }, (_, index) => 1 + (index % 16));
    const answers = await Promise.all([
      ...quantities.map((quantity) => verify(quantity)),
      api.call("POST", "/api/v1/mcp/verify", {
        token: other.token,
        body: { meterName: "api_calls", quantity: 10 },
      }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([
      ...quantities.map((quantity) => (quantity > 10 ? 422 : 200)),
      200,
    ]);
    expect(await total()).toMatchObject({ quantity: 110, eventCount: 20 });
  });

  it("comes before a budget, and what it refuses takes nothing of one", async () => {
    await limitTo(10);
    await call("POST", "/budgets", { agentId, meterName: "api_calls", limit: 10 });
    const enforceBudget = true;
    const answers = await Promise.all([
      verify(11, undefined, { enforceBudget }),
      verify(6, undefined, { enforceBudget }),
      verify(4, undefined, { enforceBudget }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([422, 200, 200]);
    expect((await verify(11, undefined, { enforceBudget })).status).toBe(422);
    expect(await mcp("/reserve", { meterName: "api_calls", quantity: 11, enforceBudget })).toMatchObject({
      status: 422,
    });
    expect((await verify(1, undefined, { enforceBudget })).status).toBe(402);
    const [budget] = (await call("GET", `/budgets?agentId=${agentId}`)).body.data;
    expect(budget.used).toBe(10);
  });

  it.each([
    ["without a budget", false],
    ["with one", true],
  ])("gives a repeated key its first answer when it was lowered since, %s", async (_, budgeted) => {
    if (budgeted) await call("POST", "/budgets", { agentId, meterName: "api_calls", limit: 1_000 });
    const first = await verify(50, "call-1");
    await limitTo(10);
    const again = await verify(50, "call-1");
    expect(again.body.data.event).toMatchObject({ ...first.body.data.event, duplicate: true });
    expect((await verify(50, "call-2")).status).toBe(422);
    expect((await verify(51, "call-1")).status).toBe(409);
    await limitTo(50);
    expect((await verify(50, "call-2")).body.data.event).toMatchObject({ quantity: 50, duplicate: false });
    expect(await total()).toMatchObject({ quantity: 100, eventCount: 2 });
  });

  it("holds for what is committed after it was lowered; the hold stays, and less can be committed", async () => {
    const reserve = async () =>
      (await mcp("/reserve", { meterName: "api_calls", quantity: 50 })).body.data.reservation.id;
    const [early, late] = [await reserve(), await reserve()];
    const commit = (id: string, body?: object) => mcp(`/reservations/${id}/commit`, body);
    const first = await commit(early);
    await limitTo(10);
    expect(await commit(late)).toMatchObject({ status: 422, body: { code: "UNPROCESSABLE" } });
    expect((await commit(late, { quantity: 10 })).body.data).toMatchObject({
      reservation: { status: "committed", committedQuantity: 10 },
    });
    expect((await commit(early)).body.data.event).toMatchObject({
      id: first.body.data.event.id,
      duplicate: true,
    });
    expect(await total()).toMatchObject({ quantity: 60, eventCount: 2 });
  });

  it("does not bind the owner's key: that usage has happened", async () => {
    await limitTo(10);
    for (const budgeted of [false, true]) {
      if (budgeted) await call("POST", "/budgets", { agentId, meterName: "api_calls", limit: 5 });
      const answer = await call("POST", "/usage/events", {
        events: [11, MAX_QUANTITY].map((quantity) => ({ agentId, meterName: "api_calls", quantity })),
      });
      expect(answer.body.data.results).toMatchObject([{ status: "recorded" }, { status: "recorded" }]);
    }
    expect(await total()).toMatchObject({ quantity: 2 * (MAX_QUANTITY + 11) });
  });

  it("is another for each meter, and says of one that does not exist that it does not", async () => {
    await call("POST", "/meters", { name: "tokens", maxQuantityPerCall: MAX_QUANTITY });
    await limitTo(1);
    expect((await mcp("/verify", { meterName: "tokens", quantity: MAX_QUANTITY })).status).toBe(200);
    const unknown = await mcp("/verify", { meterName: "nothing", quantity: MAX_QUANTITY });
    expect(unknown).toMatchObject({ status: 422, body: { error: expect.stringContaining("no meter") } });
  });

  if (database.name === "PostgreSQL") {
    it("holds at once in another process", async () => {
      const peer = await api.startPeer();
      try {
        const atPeer = (quantity: number) =>
          peer.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls", quantity } });
        expect((await atPeer(5)).status).toBe(200);
        await limitTo(4);
        expect((await atPeer(5)).status).toBe(422);
        expect((await atPeer(4)).status).toBe(200);
      } finally {
        await peer.close();
      }
    });
  }

  it("leaves totals that are the sum of the events", async () => {
    expect(await checkTotals(api.db)).toEqual([]);
  });
});
