import { Webhook } from "standardwebhooks";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { closeCurrentPeriod, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { startWebhookReceiver, type WebhookReceiver } from "./support/webhook-receiver.ts";

const settle = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describeOnEachDatabase("webhooks on $name", (database) => {
  let api: TestApi;
  let receiver: WebhookReceiver;
  beforeAll(async () => {
    api = await startTestApi(database, {
      logLevel: "silent",
      allowPrivateWebhooks: true,
      backgroundInterval: 20,
    });
  }, 60_000);
  afterAll(() => api.close());
  beforeEach(async () => {
    receiver = await startWebhookReceiver();
  });
  afterEach(() => {
    receiver.close();
    api.setTime(null);
  });

  const create = (key: string, body: object = {}) =>
    api.call("POST", "/api/v1/webhooks", { token: key, body: { url: receiver.url, ...body } });
  const get = async (key: string, id: string) =>
    (await api.call("GET", `/api/v1/webhooks/${id}`, { token: key })).body.data;

  it("sends what happened, signed by Standard Webhooks", async () => {
    const { key } = await api.createAccount();
    const created = await create(key);
    expect(created.status).toBe(201);
    const { secret, ...webhook } = created.body.data;
    expect(secret).toMatch(/^whsec_/);
    expect(await get(key, webhook.id)).toEqual(webhook);
    expect(webhook).toMatchObject({ enabled: true, disabledReason: null, failingSince: null });

    const periodId = await closeCurrentPeriod(api, key);
    await api.call("POST", `/api/v1/billing/periods/${periodId}/close`, { token: key });
    const invoice = await api.call("POST", `/api/v1/billing/periods/${periodId}/invoice`, { token: key });
    await api.call("POST", `/api/v1/billing/periods/${periodId}/invoice`, { token: key });

    await expect.poll(() => receiver.received.length, { timeout: 5_000 }).toBe(2);
    await settle(100);
    expect(receiver.received).toHaveLength(2);
    const events = receiver.received.map(({ headers, body }) => new Webhook(secret).verify(body, headers));
    expect(events).toContainEqual(
      expect.objectContaining({ type: "period.closed", data: expect.objectContaining({ id: periodId }) }),
    );
    expect(events).toContainEqual(
      expect.objectContaining({ type: "invoice.created", data: invoice.body.data }),
    );
    for (const { headers, body } of receiver.received) {
      expect(JSON.parse(body).id).toBe(headers["webhook-id"]);
    }
  });

  it("stores no signing secret", async () => {
    const { key } = await api.createAccount();
    const { secret } = (await create(key)).body.data;
    const rows = await api.db.query<{ all: string }>("SELECT webhooks::text AS all FROM webhooks");
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(row.all).not.toContain(secret.slice("whsec_".length, 20));
  });

  it("tells only what a webhook asked for, and no other environment's", async () => {
    const account = await api.createAccount();
    const other = await api.createAccount();
    await create(account.key, { events: ["budget.exceeded"] });
    await create(account.liveKey);
    await create(other.key);
    await closeCurrentPeriod(api, account.key);
    await settle(300);
    expect(receiver.received).toEqual([]);
  });

  it("tries again with a delay that grows, under the same id, until it arrives", async () => {
    const { key } = await api.createAccount();
    const { id } = (await create(key)).body.data;
    receiver.state.status = 500;
    const start = Date.now();
    api.setTime(new Date(start));
    await closeCurrentPeriod(api, key);
    await expect.poll(() => receiver.received.length, { timeout: 5_000 }).toBe(1);
    await expect.poll(async () => (await get(key, id)).failingSince, { timeout: 5_000 }).not.toBeNull();
    api.setTime(new Date(start + 4_000));
    await settle(200);
    expect(receiver.received).toHaveLength(1);
    receiver.state.status = 204;
    api.setTime(new Date(start + 10_000));
    await expect.poll(() => receiver.received.length, { timeout: 5_000 }).toBe(2);
    await expect.poll(async () => (await get(key, id)).failingSince, { timeout: 5_000 }).toBeNull();
    const [first, second] = receiver.received;
    expect(second?.headers["webhook-id"]).toBe(first?.headers["webhook-id"]);
    expect(second?.body).toBe(first?.body);
  });

  it("lists what was sent, and sends it again by hand under the same id", async () => {
    const account = await api.createAccount();
    const { key } = account;
    const { id } = (await create(key)).body.data;
    const path = `/api/v1/webhooks/${id}/deliveries`;
    const list = async (query = "") => (await api.call("GET", `${path}${query}`, { token: key })).body;
    const resend = (delivery: string, headers = {}) =>
      api.call("POST", `${path}/${delivery}/resend`, { token: key, headers });
    expect((await list()).data).toEqual([]);
    receiver.state.status = 500;
    await closeCurrentPeriod(api, key);
    await expect
      .poll(async () => (await list()).data[0]?.lastError, { timeout: 5_000 })
      .toBe("it answered 500");
    const [failing] = (await list("?status=pending")).data;
    expect(failing).toMatchObject({
      webhookId: id,
      type: "period.closed",
      attempts: 1,
      deliveredAt: null,
      nextAttemptAt: expect.any(String),
    });
    receiver.state.status = 204;
    const headers = { "idempotency-key": "once" };
    const sent = await resend(failing.id, headers);
    expect(sent).toMatchObject({
      status: 200,
      body: { data: { id: failing.id, status: "pending", attempts: 0 } },
    });
    await expect
      .poll(async () => (await list("?status=delivered")).data, { timeout: 5_000 })
      .toMatchObject([{ id: failing.id, attempts: 1, lastError: null, nextAttemptAt: null }]);
    expect((await resend(failing.id, headers)).body).toEqual(sent.body);
    await settle(100);
    expect(receiver.received).toHaveLength(2);
    await resend(failing.id);
    await expect.poll(() => receiver.received.length, { timeout: 5_000 }).toBe(3);
    expect(new Set(receiver.received.map((one) => one.headers["webhook-id"]))).toEqual(new Set([failing.id]));

    await closeCurrentPeriod(api, key);
    await expect.poll(async () => (await list("?status=delivered")).data.length, { timeout: 5_000 }).toBe(2);
    const first = await list("?limit=1");
    const second = await list(`?limit=1&cursor=${first.pagination.nextCursor}`);
    expect([...first.data, ...second.data].map(({ id: one }: { id: string }) => one)).toEqual(
      (await list()).data.map(({ id: one }: { id: string }) => one),
    );
    expect((await list("?status=failed")).data).toEqual([]);
    const other = await create(key);
    expect(
      (
        await api.call("POST", `/api/v1/webhooks/${other.body.data.id}/deliveries/${failing.id}/resend`, {
          token: key,
        })
      ).status,
    ).toBe(404);
    await api.call("PATCH", `/api/v1/webhooks/${id}`, { token: key, body: { enabled: false } });
    expect((await resend(failing.id)).status).toBe(409);
  });

  it("follows no redirect", async () => {
    const { key } = await api.createAccount();
    const { id } = (await create(key)).body.data;
    receiver.state.status = 307;
    receiver.state.location = receiver.url;
    await closeCurrentPeriod(api, key);
    await expect.poll(async () => (await get(key, id)).failingSince, { timeout: 5_000 }).not.toBeNull();
    expect(receiver.received).toHaveLength(1);
  });

  it("disables a webhook that is gone, or that has failed for five days, until it is enabled again", async () => {
    const { key } = await api.createAccount();
    const { id } = (await create(key)).body.data;
    const start = Date.now();
    api.setTime(new Date(start));
    receiver.state.status = 500;
    await closeCurrentPeriod(api, key);
    await expect.poll(async () => (await get(key, id)).failingSince, { timeout: 5_000 }).not.toBeNull();
    api.setTime(new Date(start + 5 * 86_400_000 + 1_000));
    await expect.poll(async () => (await get(key, id)).enabled, { timeout: 5_000 }).toBe(false);
    expect((await get(key, id)).disabledReason).toContain("five days");

    receiver.state.status = 200;
    const before = receiver.received.length;
    await api.call("PATCH", `/api/v1/webhooks/${id}`, { token: key, body: { enabled: true } });
    api.setTime(new Date(start + 7 * 86_400_000));
    await expect.poll(() => receiver.received.length, { timeout: 5_000 }).toBe(before + 1);

    receiver.state.status = 410;
    await closeCurrentPeriod(api, key);
    await expect.poll(async () => (await get(key, id)).enabled, { timeout: 5_000 }).toBe(false);
    expect((await get(key, id)).disabledReason).toContain("410");
  }, 120_000);

  it("keeps what is to be sent over a restart", async () => {
    const { key } = await api.createAccount();
    receiver.state.status = 503;
    const { id } = (await create(key)).body.data;
    const start = Date.now();
    api.setTime(new Date(start));
    await closeCurrentPeriod(api, key);
    await expect.poll(async () => (await get(key, id)).failingSince, { timeout: 5_000 }).not.toBeNull();
    await api.restart();
    receiver.state.status = 200;
    const before = receiver.received.length;
    api.setTime(new Date(start + 10_000));
    await expect.poll(() => receiver.received.length, { timeout: 10_000 }).toBe(before + 1);
  }, 120_000);

  it("lists, changes and deletes webhooks, and refuses a URL with a password", async () => {
    const { key } = await api.createAccount();
    const { id } = (await create(key)).body.data;
    const changed = await api.call("PATCH", `/api/v1/webhooks/${id}`, {
      token: key,
      body: { events: ["invoice.paid"], metadata: { team: "billing" } },
    });
    expect(changed.body.data).toMatchObject({ events: ["invoice.paid"], metadata: { team: "billing" } });
    const list = await api.call("GET", "/api/v1/webhooks", { token: key });
    expect(list.body.data).toEqual([changed.body.data]);
    expect((await create(key, { url: "https://user:pass@example.com" })).status).toBe(422);
    expect((await api.call("DELETE", `/api/v1/webhooks/${id}`, { token: key })).status).toBe(200);
    expect((await api.call("GET", `/api/v1/webhooks/${id}`, { token: key })).status).toBe(404);
  });
});

describeOnEachDatabase("private addresses on $name", (database) => {
  it("sends nothing to one, by number or by name", async () => {
    const receiver = await startWebhookReceiver();
    const api = await startTestApi(database, { logLevel: "silent", backgroundInterval: 20 });
    try {
      const { key } = await api.createAccount();
      const { port } = new URL(receiver.url);
      const literals = [
        "127.0.0.1",
        "[::1]",
        "10.0.0.1",
        "169.254.169.254",
        "[::ffff:127.0.0.1]",
        "2130706433",
      ];
      for (const host of literals) {
        const answer = await api.call("POST", "/api/v1/webhooks", {
          token: key,
          body: { url: `http://${host}:${port}/` },
        });
        expect(answer, host).toMatchObject({ status: 422, body: { code: "UNPROCESSABLE" } });
      }
      const named = await api.call("POST", "/api/v1/webhooks", {
        token: key,
        body: { url: `http://localhost:${port}/` },
      });
      const path = `/api/v1/webhooks/${named.body.data.id}`;
      for (const host of literals) {
        const changed = await api.call("PATCH", path, {
          token: key,
          body: { url: `http://${host}:${port}/` },
        });
        expect(changed, host).toMatchObject({ status: 422, body: { code: "UNPROCESSABLE" } });
      }
      // One that was made while private addresses were allowed.
      const earlier = await api.call("POST", "/api/v1/webhooks", {
        token: key,
        body: { url: "https://example.com/" },
      });
      await api.db.query("UPDATE webhooks SET url = $2 WHERE id = $1", [earlier.body.data.id, receiver.url]);
      expect(receiver.url).toContain("127.0.0.1");
      await closeCurrentPeriod(api, key);
      const hooks = async () => (await api.call("GET", "/api/v1/webhooks", { token: key })).body.data;
      const failing = async () =>
        (await hooks()).map(({ failingSince }: { failingSince: string | null }) => failingSince !== null);
      await expect.poll(failing, { timeout: 5_000 }).toEqual([true, true]);
      const reasons = await api.db.query<{ last_error: string }>("SELECT last_error FROM webhook_deliveries");
      for (const { last_error } of reasons) expect(last_error).toContain("is not on the public internet");
      expect(receiver.received).toEqual([]);
    } finally {
      await api.close();
      receiver.close();
    }
  }, 120_000);
});
