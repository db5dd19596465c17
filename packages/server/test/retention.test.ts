import { afterAll, beforeAll, expect, it } from "vitest";
import { checkTotals } from "../src/metering/check-totals.ts";
import { removeByAge } from "../src/retention.ts";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

const DAY = 86_400_000;

describeOnEachDatabase("what is kept for so many days, on $name", (database) => {
  let api: TestApi;
  let key: string;
  beforeAll(async () => {
    api = await startTestApi(database, { backgroundInterval: 3_600_000 });
    key = (await api.createAccount()).key;
  }, 60_000);
  afterAll(() => api.close());

  const inDays = (days: number) => new Date(Date.now() + days * DAY);
  const count = async (table: string) =>
    (await api.db.query<{ count: number }>(`SELECT count(*) AS count FROM ${table}`))[0]?.count;
  const verify = async (token: string, idempotencyKey: string) =>
    (
      await api.call("POST", "/api/v1/mcp/verify", {
        token,
        body: { meterName: "api_calls" },
        headers: { "idempotency-key": idempotencyKey },
      })
    ).body.data.event;

  it("knows an event's key for 90 days, and an event stays for good", async () => {
    const { token } = await createAuthorizedAgent(api, key, {});
    const first = await verify(token, "one");
    expect(await removeByAge(api.db, {}, inDays(89))).toEqual(new Map());
    expect(await verify(token, "one")).toMatchObject({ id: first.id, duplicate: true });
    expect((await removeByAge(api.db, {}, inDays(91))).get("usage_event_keys")).toBe(1);
    expect(await count("usage_event_keys")).toBe(0);
    expect(await verify(token, "one")).toMatchObject({ duplicate: false });
    expect(await checkTotals(api.db)).toEqual([]);
  });

  it("keeps keys for as long as it is told", async () => {
    const { token } = await createAuthorizedAgent(api, key, {});
    await verify(token, "two");
    expect(await removeByAge(api.db, { idempotencyKeys: 400 }, inDays(399))).toEqual(new Map());
    await removeByAge(api.db, { idempotencyKeys: 400 }, inDays(401));
    expect(await count("usage_event_keys")).toBe(0);
    expect(await count("idempotency_keys")).toBe(0);
  });

  it("bills a hold once, also when its event's key is gone", async () => {
    const { token } = await createAuthorizedAgent(api, key, {});
    const call = (path: string, body: object) => api.call("POST", `/api/v1/mcp/${path}`, { token, body });
    const held = await call("reserve", { meterName: "api_calls", quantity: 5 });
    const { id } = held.body.data.reservation;
    const commit = () => call(`reservations/${id}/commit`, { quantity: 3 });
    const first = await commit();
    expect(first.body.data.event).toMatchObject({ quantity: 3, duplicate: false });
    await removeByAge(api.db, {}, inDays(91));
    expect(await count("usage_event_keys")).toBe(0);
    const again = await commit();
    expect(again.body.data.event).toMatchObject({ ...first.body.data.event, duplicate: true });
    expect(again.body.data.reservation).toEqual(first.body.data.reservation);
    expect((await call(`reservations/${id}/commit`, { quantity: 4 })).status).toBe(409);
    const events = await api.db.query("SELECT quantity FROM metered_events WHERE idempotency_key = $1", [id]);
    expect(events).toEqual([{ quantity: 3 }]);
  });

  it("keeps credentials, reservations and the audit log for ever, and where told only the used ones", async () => {
    const { token } = await createAuthorizedAgent(api, key, { expiresIn: 60 });
    await api.call("POST", "/api/v1/mcp/reserve", { token, body: { meterName: "api_calls" } });
    await createAuthorizedAgent(api, key, { expiresIn: 60 });
    const tables = ["credentials", "reservations", "audit_events"];
    const all = await Promise.all(tables.map(count));
    await removeByAge(api.db, {}, inDays(1_000));
    expect(await Promise.all(tables.map(count))).toEqual(all);

    // A credential with a reservation stays: what was begun with it can be settled.
    await removeByAge(api.db, { credentials: 40 }, inDays(140));
    const left = await api.db.query(
      "SELECT count(DISTINCT r.credential_id) AS of_reservations, count(DISTINCT c.id) AS count FROM credentials c LEFT JOIN reservations r ON r.credential_id = c.id",
    );
    expect(left).toEqual([{ of_reservations: 2, count: 2 }]);
    await removeByAge(api.db, { credentials: 40, reservations: 40, auditEvents: 40 }, inDays(140));
    expect(await count("reservations")).toBe(0);
    expect(await count("audit_events")).toBe(0);
    await removeByAge(api.db, { credentials: 40 }, inDays(140));
    expect(await count("credentials")).toBe(0);
  });

  it("removes more than one batch", async () => {
    await api.db.query(
      `INSERT INTO usage_event_keys (agent_id, key_hash, event_id)
       SELECT gen_random_uuid(), gen_random_uuid(), '00000000-0000-7000-8000-000000000000'
       FROM generate_series(1, 2500)`,
    );
    expect((await removeByAge(api.db, {}, new Date())).get("usage_event_keys")).toBe(2_500);
  });
});
