import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { checkTotals } from "../src/metering/check-totals.ts";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describeOnEachDatabase("reservations on $name", (database) => {
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

  const post = (path: string, body?: unknown, idempotencyKey?: string, as = token) =>
    api.call("POST", `/api/v1/mcp${path}`, {
      token: as,
      body,
      headers: idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey },
    });
  const reserve = (body: object, idempotencyKey?: string) =>
    post("/reserve", { meterName: "api_calls", ...body }, idempotencyKey);
  const commit = (id: string, body?: object, idempotencyKey?: string) =>
    post(`/reservations/${id}/commit`, body, idempotencyKey);
  const release = (id: string) => post(`/reservations/${id}/release`);
  const manage = (method: "GET" | "POST" | "PATCH" | "DELETE", path: string, body?: unknown) =>
    api.call(method, `/api/v1${path}`, { token: key, body });
  const createBudget = (limit: number) =>
    manage("POST", "/budgets", { agentId, meterName: "api_calls", limit });
  const used = async () => (await manage("GET", `/budgets?agentId=${agentId}`)).body.data[0].used;
  const total = async () =>
    (await manage("GET", `/usage/totals?agentId=${agentId}`)).body.data[0] ?? { quantity: 0, eventCount: 0 };
  const after = (seconds: number) => api.setTime(new Date(Date.now() + seconds * 1_000));

  it("hold, and record what is committed", async () => {
    const grant = await reserve({ quantity: 10 });
    expect(grant).toMatchObject({
      status: 201,
      body: {
        data: {
          agentId,
          scopes: ["mcp:invoke"],
          reservation: { meterName: "api_calls", quantity: 10, status: "held", committedQuantity: null },
        },
      },
    });
    const { id } = grant.body.data.reservation;
    expect(id).toMatch(UUID_V4);
    expect(await total()).toMatchObject({ quantity: 0 });
    const committed = await commit(id, { quantity: 4 });
    expect(committed.body.data).toMatchObject({
      reservation: { id, status: "committed", committedQuantity: 4 },
      event: { meterName: "api_calls", quantity: 4, duplicate: false },
    });
    const [event] = (await manage("GET", "/usage/events")).body.data;
    expect(event).toMatchObject({ id: committed.body.data.event.id, idempotencyKey: id, quantity: 4 });
  });

  it("record all that is held where no quantity is named", async () => {
    const { id } = (await reserve({ quantity: 7 })).body.data.reservation;
    expect((await commit(id)).body.data.event).toMatchObject({ quantity: 7 });
  });

  it("record a commit once, however often it comes and however many come at once", async () => {
    const { id } = (await reserve({ quantity: 5 })).body.data.reservation;
    const answers = await Promise.all(Array.from({ length: 16 }, () => commit(id, { quantity: 3 })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 16 }, () => 200));
    expect(new Set(answers.map(({ body }) => body.data.event.id)).size).toBe(1);
    expect(answers.filter(({ body }) => !body.data.event.duplicate)).toHaveLength(1);
    expect(await commit(id, { quantity: 2 })).toMatchObject({ status: 409, body: { code: "CONFLICT" } });
    expect(await commit(id)).toMatchObject({ status: 409 });
    expect(await total()).toMatchObject({ quantity: 3, eventCount: 1 });
  });

  it("give a repeated commit its first answer", async () => {
    const { id } = (await reserve({})).body.data.reservation;
    const first = await commit(id, undefined, "settle");
    expect((await commit(id, undefined, "settle")).body).toEqual(first.body);
    expect(await commit(id, { quantity: 1 }, "settle")).toMatchObject({
      status: 409,
      body: { code: "IDEMPOTENCY_CONFLICT" },
    });
  });

  it("hold once for a repeated request, which is told what has become of the hold", async () => {
    const [first, second] = await Promise.all([reserve({}, "hold"), reserve({}, "hold")]);
    const { id } = first.body.data.reservation;
    expect(second.body.data.reservation.id).toBe(id);
    await commit(id);
    const third = await reserve({}, "hold");
    expect(third.body.data.reservation).toMatchObject({ id, status: "committed" });
  });

  it("refuse to commit more than is held", async () => {
    const { id } = (await reserve({ quantity: 2 })).body.data.reservation;
    expect(await commit(id, { quantity: 3 })).toMatchObject({
      status: 422,
      body: { code: "UNPROCESSABLE", details: { issues: [{ path: "quantity" }] } },
    });
    expect((await commit(id, { quantity: 2 })).status).toBe(200);
  });

  it("bill nothing when released", async () => {
    const { id } = (await reserve({})).body.data.reservation;
    const released = await release(id);
    expect(released.body.data).toEqual({
      reservation: expect.objectContaining({ id, status: "released", committedQuantity: null }),
    });
    expect((await release(id)).body).toEqual(released.body);
    expect(await commit(id)).toMatchObject({ status: 409, body: { code: "CONFLICT" } });
    expect(await total()).toMatchObject({ quantity: 0 });
  });

  it("cannot be released once they are committed", async () => {
    const { id } = (await reserve({})).body.data.reservation;
    await commit(id);
    expect(await release(id)).toMatchObject({ status: 409, body: { code: "CONFLICT" } });
    expect(await total()).toMatchObject({ quantity: 1 });
  });

  it("are settled in one way when commit and release race", async () => {
    const ids = await Promise.all(
      Array.from({ length: 8 }, async () => (await reserve({})).body.data.reservation.id),
    );
    const outcomes = await Promise.all(ids.map((id) => Promise.all([commit(id), release(id)])));
    for (const [committed, released] of outcomes) {
      expect([committed.status, released.status].toSorted()).toEqual([200, 409]);
    }
    const billed = outcomes.filter(([committed]) => committed.status === 200).length;
    expect(await total()).toMatchObject({ quantity: billed });
  });

  it("count against budgets until they are settled", async () => {
    await createBudget(10);
    const first = (await reserve({ quantity: 6, enforceBudget: true })).body.data;
    expect(first.budget).toMatchObject({ used: 6, remaining: 4 });
    const refused = await reserve({ quantity: 5, enforceBudget: true });
    expect(refused).toMatchObject({
      status: 402,
      body: { code: "BUDGET_EXCEEDED", details: { budget: { used: 6, remaining: 4 } } },
    });
    const verified = await post("/verify", { meterName: "api_calls", quantity: 5, enforceBudget: true });
    expect(verified.status).toBe(402);
    await commit(first.reservation.id, { quantity: 1 });
    expect(await used()).toBe(1);
    const second = (await reserve({ quantity: 9, enforceBudget: true })).body.data.reservation;
    expect((await reserve({ enforceBudget: true })).status).toBe(402);
    await release(second.id);
    expect(await used()).toBe(1);
    expect((await reserve({ quantity: 20 })).body.data.budget).toMatchObject({
      used: 21,
      status: "exceeded",
    });
  });

  it("stop counting the moment they lapse, and are recorded if they are committed all the same", async () => {
    await createBudget(10);
    api.setTime("2026-06-10T12:00:00.000Z");
    ({ token } = (
      await manage("POST", "/mcp/authorize", { agentId, scopes: ["x"], expiresIn: 60 })
    ).body.data);
    const { id, expiresAt } = (await reserve({ quantity: 10, expiresIn: 30, enforceBudget: true })).body.data
      .reservation;
    expect(expiresAt).toBe("2026-06-10T12:00:30.000Z");
    api.setTime("2026-06-10T12:00:29.999Z");
    expect((await reserve({ enforceBudget: true })).status).toBe(402);
    api.setTime("2026-06-10T12:00:30.000Z");
    expect(await used()).toBe(0);
    const other = (await reserve({ quantity: 8, enforceBudget: true })).body.data.reservation;
    // The work was done: it is billed, over the budget if need be.
    expect((await commit(id, { quantity: 10 })).body.data).toMatchObject({
      reservation: { status: "committed", committedQuantity: 10 },
      event: { quantity: 10 },
    });
    expect(await used()).toBe(18);
    expect((await release(other.id)).status).toBe(200);
    expect(await used()).toBe(10);
  });

  it("that lapsed say so, and can be released", async () => {
    const { id } = (await reserve({ expiresIn: 60 }, "lapsing")).body.data.reservation;
    after(61);
    expect((await reserve({ expiresIn: 60 }, "lapsing")).body.data.reservation).toMatchObject({
      id,
      status: "lapsed",
    });
    expect((await release(id)).body.data.reservation.status).toBe("released");
  });

  it("keep enforced budgets exact when many hold and verify at once", async () => {
    await createBudget(20);
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, index) =>
        index % 2 === 0
          ? reserve({ enforceBudget: true })
          : post("/verify", { meterName: "api_calls", enforceBudget: true }),
      ),
    );
    const admitted = answers.filter(({ status }) => status < 300);
    expect(answers.filter(({ status }) => status === 402)).toHaveLength(44);
    expect(admitted).toHaveLength(20);
    await Promise.all(
      admitted.filter(({ status }) => status === 201).map(({ body }) => commit(body.data.reservation.id)),
    );
    expect(await total()).toMatchObject({ quantity: 20 });
    expect(await used()).toBe(20);
  });

  it("can be settled when the token has expired, was revoked, or its agent is suspended or deleted", async () => {
    const hold = async () => (await reserve({ expiresIn: 86_400 })).body.data.reservation.id;
    const [whenSuspended, whenRevoked, whenExpired, whenDeleted] = [
      await hold(),
      await hold(),
      await hold(),
      await hold(),
    ];
    await manage("PATCH", `/agents/${agentId}`, { status: "suspended" });
    expect((await commit(whenSuspended ?? "")).status).toBe(200);
    const [credential] = (await manage("GET", `/agents/${agentId}/credentials`)).body.data;
    await manage("POST", `/credentials/${credential.id}/revoke`);
    expect((await release(whenRevoked ?? "")).status).toBe(200);
    expect((await reserve({})).status).toBe(401);
    after(7_200);
    expect((await commit(whenExpired ?? "")).status).toBe(200);
    await manage("DELETE", `/agents/${agentId}`);
    expect((await commit(whenDeleted ?? "")).status).toBe(200);
    expect(await total()).toMatchObject({ quantity: 3 });
  });

  const authorizeAgain = async (scopes = ["mcp:invoke"]): Promise<string> =>
    (await manage("POST", "/mcp/authorize", { agentId, scopes })).body.data.token;
  const reserveAs = (as: string, idempotencyKey: string, body: object = {}) =>
    post("/reserve", { meterName: "api_calls", ...body }, idempotencyKey, as);

  it("are settled with any credential of the agent, and with no other agent's", async () => {
    const hold = async () => (await reserve({})).body.data.reservation.id;
    const [committed, released, own] = [await hold(), await hold(), await hold()];
    const sibling = await authorizeAgain();
    const neighbour = (await createAuthorizedAgent(api, key)).token;
    const stranger = (await createAuthorizedAgent(api, (await api.createAccount()).key)).token;
    for (const other of [neighbour, stranger]) {
      for (const what of ["commit", "release"]) {
        expect(await post(`/reservations/${own}/${what}`, undefined, undefined, other)).toMatchObject({
          status: 404,
          body: { code: "NOT_FOUND" },
        });
      }
    }
    expect((await commit("not-an-id")).status).toBe(404);
    const outcome = await post(`/reservations/${committed}/commit`, undefined, undefined, sibling);
    expect(outcome).toMatchObject({ status: 200, body: { data: { event: { duplicate: false } } } });
    const again = await commit(committed);
    expect(again.body.data.event).toMatchObject({ id: outcome.body.data.event.id, duplicate: true });
    expect((await post(`/reservations/${released}/release`, undefined, undefined, sibling)).status).toBe(200);
    expect(await commit(released)).toMatchObject({ status: 409 });
    // One that has ended settles what was begun with it, and nothing else.
    const { token: ending, credentialId } = (
      await manage("POST", "/mcp/authorize", { agentId, scopes: ["mcp:invoke"] })
    ).body.data;
    const begun = (await reserveAs(ending, "begun")).body.data.reservation.id;
    await manage("POST", `/credentials/${credentialId}/revoke`);
    expect((await commit(own, undefined, "settle-own")).status).toBe(200);
    expect((await post(`/reservations/${own}/commit`, undefined, "settle-own", ending)).status).toBe(404);
    expect((await post(`/reservations/${begun}/commit`, undefined, undefined, ending)).status).toBe(200);
    expect(await total()).toMatchObject({ quantity: 3, eventCount: 3 });
  });

  it("are made once for a key of the agent's, with whichever of its credentials it is sent", async () => {
    const sibling = await authorizeAgain(["mcp:invoke", "extra"]);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => reserveAs(index % 2 === 0 ? token : sibling, "call-1")),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 201));
    const ids = new Set(answers.map(({ body }) => body.data.reservation.id));
    expect(ids.size).toBe(1);
    // Who asks is told of the credential that it asks with.
    expect(answers[0]?.body.data.scopes).toEqual(["mcp:invoke"]);
    expect(answers[1]?.body.data.scopes).toEqual(["mcp:invoke", "extra"]);

    const [id] = ids;
    const settled = await Promise.all([
      post(`/reservations/${id}/commit`, undefined, "settle-1", token),
      post(`/reservations/${id}/commit`, undefined, "settle-1", sibling),
    ]);
    expect(settled[1]).toMatchObject({ status: 200, body: settled[0]?.body });
    expect((await reserveAs(sibling, "call-1")).body.data.reservation).toMatchObject({ status: "committed" });
    expect(await reserveAs(sibling, "call-1", { quantity: 2 })).toMatchObject({
      status: 409,
      body: { code: "IDEMPOTENCY_CONFLICT" },
    });
    expect(await total()).toMatchObject({ quantity: 1, eventCount: 1 });

    const neighbour = (await createAuthorizedAgent(api, key)).token;
    const other = await reserveAs(neighbour, "call-1");
    expect(other).toMatchObject({ status: 201, body: { data: { reservation: { status: "held" } } } });
    expect(ids).not.toContain(other.body.data.reservation.id);
  });

  it("are not told of to a credential of the agent that lacks a required scope", async () => {
    const body = { requiredScopes: ["mcp:invoke"] };
    expect((await reserveAs(token, "scoped", body)).status).toBe(201);
    expect(await reserveAs(await authorizeAgain(["other"]), "scoped", body)).toMatchObject({
      status: 403,
      body: { code: "INSUFFICIENT_SCOPE" },
    });
  });

  /** Leaves a key as a server of before migration 8 does: bound to the credential, and readable by its token alone. */
  const asServersBefore = (idempotencyKey: string, changed = idempotencyKey) =>
    api.db.query("UPDATE idempotency_keys SET agent_id = NULL, result = NULL, key = $2 WHERE key = $1", [
      idempotencyKey,
      changed,
    ]);

  it("are found by keys of servers of the version before, which go on beside this one", async () => {
    const first = await reserveAs(token, "before-1");
    await asServersBefore("before-1");
    expect((await reserveAs(token, "before-1")).body).toEqual(first.body);
    const sibling = await authorizeAgain();
    const refused = await reserveAs(sibling, "before-1");
    expect(refused).toMatchObject({ status: 409, body: { code: "IDEMPOTENCY_CONFLICT" } });
    expect(refused.body.error).toContain("another credential of this agent");

    // Two credentials of the agent used one key there: each has its own still.
    const second = await reserveAs(sibling, "before-2");
    await asServersBefore("before-2", "before-1");
    expect((await reserveAs(sibling, "before-1")).body).toEqual(second.body);
    expect((await reserveAs(token, "before-1")).body).toEqual(first.body);
    expect(await reserveAs(await authorizeAgain(), "before-1")).toMatchObject({ status: 409 });
  });

  it("are refused for unknown meters and missing scopes", async () => {
    expect((await reserve({ meterName: "pages" })).status).toBe(422);
    expect(await reserve({ requiredScopes: ["admin"] })).toMatchObject({
      status: 403,
      body: { code: "INSUFFICIENT_SCOPE" },
    });
  });

  it("of a total that would overflow are refused and stay held", async () => {
    await post("/verify", { meterName: "api_calls" });
    const { id } = (await reserve({ quantity: 5 })).body.data.reservation;
    const set = (quantity: number) =>
      api.db.query("UPDATE usage_totals SET quantity = $2 WHERE agent_id = $1", [agentId, quantity]);
    await set(Number.MAX_SAFE_INTEGER - 1);
    expect(await commit(id)).toMatchObject({ status: 422, body: { code: "UNPROCESSABLE" } });
    await set(1);
    expect((await commit(id)).status).toBe(200);
    expect(await total()).toMatchObject({ quantity: 6 });
  });

  it("leave totals that are the sum of the events", async () => {
    expect(await checkTotals(api.db)).toEqual([]);
  });
});
