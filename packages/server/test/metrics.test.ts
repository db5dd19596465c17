import { randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase, describeOnPostgres, embedded } from "./support/databases.ts";
import { startStripeStandIn } from "./support/stripe-stand-in.ts";

const DAY = 86_400_000;
let api: TestApi;
afterEach(() => api.close());

/** The value of a metric, by its name with its labels as Prometheus writes them; undefined where it is not there. */
async function metric(name: string): Promise<number | undefined> {
  const text = await (await fetch(`${api.url}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

/** A log that can be looked at, line by line. */
function logLines() {
  // biome-ignore lint/suspicious/noExplicitAny: a line of the log has members of any kind.
  const lines: any[] = [];
  const destination = new Writable({
    write: (chunk, _, done) => {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  return { lines, destination };
}

describeOnEachDatabase("the metrics on $name", (database) => {
  it("count months that are over and not closed, closed and not invoiced", async () => {
    api = await startTestApi(database);
    const backlog = async () => {
      // What is told is kept for a minute, so another server is asked.
      await api.restart();
      return {
        toClose: await metric('licentric_periods_to_close{mode="test"}'),
        toInvoice: await metric('licentric_periods_to_invoice{mode="test"}'),
        seconds: await metric('licentric_oldest_uninvoiced_period_seconds{mode="test"}'),
        live: await metric('licentric_periods_to_invoice{mode="live"}'),
      };
    };
    api.setTime("2026-03-10T12:00:00Z");
    const { key } = await api.createAccount({ timeZone: "UTC" });
    const { token } = await createAuthorizedAgent(api, key);
    await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls" } });
    const { body } = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
    expect(await backlog()).toEqual({ toClose: 0, toInvoice: 0, seconds: 0, live: 0 });
    api.setTime("2026-04-02T00:00:00Z");
    expect(await backlog()).toEqual({ toClose: 1, toInvoice: 0, seconds: DAY / 1_000, live: 0 });
    await api.call("POST", `/api/v1/billing/periods/${body.data.id}/close`, { token: key });
    expect(await backlog()).toEqual({ toClose: 0, toInvoice: 1, seconds: DAY / 1_000, live: 0 });
    const path = `/api/v1/billing/periods/${body.data.id}/invoice`;
    const { body: made } = await api.call("POST", path, { token: key });
    expect(await backlog()).toEqual({ toClose: 0, toInvoice: 0, seconds: 0, live: 0 });
    await api.call("POST", `/api/v1/billing/invoices/${made.data.id}/void`, { token: key });
    expect(await backlog()).toMatchObject({ toInvoice: 1 });
  });

  it("tell the age of what waits for webhooks, and how many fail", async () => {
    api = await startTestApi(database, { backgroundInterval: 10, allowPrivateWebhooks: true });
    const { key } = await api.createAccount();
    await createAuthorizedAgent(api, key);
    const { body } = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
    const url = "http://127.0.0.1:9/";
    await api.call("POST", "/api/v1/webhooks", { token: key, body: { url, events: ["period.closed"] } });
    expect(await metric("licentric_webhook_outbox_oldest_seconds")).toBe(0);
    await api.call("POST", `/api/v1/billing/periods/${body.data.id}/close`, { token: key });
    await expect.poll(() => metric("licentric_webhooks_failing"), { timeout: 10_000 }).toBe(1);
    expect(await metric("licentric_webhook_outbox_backlog")).toBe(1);
    await api.db.query("UPDATE webhook_deliveries SET created_at = created_at - interval '1 day'");
    expect(await metric("licentric_webhook_outbox_oldest_seconds")).toBeGreaterThanOrEqual(DAY / 1_000);
  });

  it("say that the database is away, and are answered all the same", async () => {
    api = await startTestApi(database, { logLevel: "silent" });
    const { query } = api.db;
    expect(await metric("licentric_database_up")).toBe(1);
    api.db.query = () => Promise.reject(new Error("the database is away"));
    try {
      expect(await metric("licentric_database_up")).toBe(0);
      expect(await metric("licentric_webhook_outbox_backlog")).toBeNaN();
    } finally {
      api.db.query = query;
    }
    expect(await metric("licentric_database_up")).toBe(1);
  });

  it("time statements and transactions by name, and what runs is named", async () => {
    api = await startTestApi(database);
    const { key } = await api.createAccount();
    const { token } = await createAuthorizedAgent(api, key);
    await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls" } });
    for (const statement of ["look-up-credentials", "record-events", "transaction", "other"]) {
      const count = await metric(`licentric_database_query_duration_seconds_count{statement="${statement}"}`);
      expect(count, statement).toBeGreaterThan(0);
    }
    expect(await metric(`licentric_info{version="0.0.0",database="${api.db.kind}"}`)).toBe(1);
  });

  it("count refusals by their code and failed sign-ins by reason, which the log tells once a minute", async () => {
    const { lines, destination } = logLines();
    api = await startTestApi(database, { logLevel: "info", logDestination: destination });
    const { key } = await api.createAccount();
    const { token, agentId } = await createAuthorizedAgent(api, key);
    const { body } = await api.call("GET", `/api/v1/agents/${agentId}/credentials`, { token: key });
    const madeUp = `AGT-${randomBytes(16).toString("hex")}`;
    const verify = (credential?: string) =>
      api.call("POST", "/api/v1/mcp/verify", { token: credential, body: { meterName: "api_calls" } });
    await api.call("POST", `/api/v1/credentials/${body.data[0].id}/revoke`, { token: key });
    for (const credential of [token, token, token, madeUp, key, undefined]) await verify(credential);
    await api.call("GET", "/api/v1/agents/none", { token: key });
    const failed = (credential: string, reason: string) =>
      metric(`licentric_failed_sign_ins_total{credential="${credential}",reason="${reason}"}`);
    expect(await failed("agent", "revoked")).toBe(3);
    expect(await failed("key", "wrong-kind")).toBe(1);
    expect(await failed("none", "missing")).toBe(1);
    expect(await metric('licentric_refusals_total{code="UNAUTHORIZED"}')).toBe(6);
    expect(await metric('licentric_refusals_total{code="NOT_FOUND"}')).toBe(1);
    const told = lines.filter(({ msg }) => msg === "failed sign-in");
    expect(told.map(({ credential, reason }) => `${credential} ${reason}`).sort()).toEqual([
      "agent malformed",
      "agent revoked",
      "key wrong-kind",
      "none missing",
    ]);
    expect(told[0]).toMatchObject({ address: "127.0.0.1", route: "/api/v1/mcp/verify", level: 40 });
    expect(told[0].reqId).toMatch(/^[0-9A-Z]{26}$/);
    for (const secret of [token, madeUp, key]) expect(JSON.stringify(lines)).not.toContain(secret);
  });

  it("and the log say what runs and why it stopped", async () => {
    const { lines, destination } = logLines();
    api = await startTestApi(database, { logLevel: "info", logDestination: destination });
    await api.restart();
    const kind = database === embedded ? "embedded" : "postgres";
    const told = lines.filter(({ msg }) => !msg.startsWith("Server listening"));
    expect(told.map(({ msg }) => msg.replace(/:.*/, ""))).toEqual([
      "started",
      "stopping",
      "stopped",
      "started",
    ]);
    expect(told[0]).toMatchObject({ version: "0.0.0", node: process.version, database: kind, stripe: null });
    expect(told[2]).toMatchObject({ reason: "closed by the program" });
  });

  it("leave no value of a row in the log", async () => {
    const { lines, destination } = logLines();
    api = await startTestApi(database, { logDestination: destination });
    const { transaction } = api.db;
    const mail = "someone@private.example";
    const broken: typeof transaction = (work, options) =>
      transaction(async (tx) => {
        await tx.query("SELECT $1::text::int", [mail]);
        return work(tx);
      }, options);
    const taken: typeof transaction = (work, options) =>
      transaction(async (tx) => {
        await tx.query("CREATE TEMPORARY TABLE taken (mail text UNIQUE) ON COMMIT DROP");
        for (const _ of [1, 2]) await tx.query("INSERT INTO taken VALUES ($1)", [mail]);
        return work(tx);
      }, options);
    const { key } = await api.createAccount();
    for (const each of [broken, taken]) {
      api.db.transaction = each;
      expect((await api.call("POST", "/api/v1/agents", { token: key, body: { name: "a" } })).status).toBe(
        500,
      );
    }
    api.db.transaction = transaction;
    expect(lines.map(({ err }) => err.code)).toEqual(["22P02", "23505"]);
    expect(lines[1].err.constraint).toBe("taken_mail_key");
    expect(JSON.stringify(lines)).not.toContain(mail);
  });

  it("are not the only ones that no cache keeps", async () => {
    api = await startTestApi(database);
    const { key } = await api.createAccount();
    for (const path of ["/api/v1/agents", "/api/v1/nowhere", "/healthz"]) {
      expect((await api.call("GET", path, { token: key })).headers["cache-control"]).toBe("no-store");
    }
  });
});

describeOnPostgres("the metrics of connections on $name", (database) => {
  it("count them by state", async () => {
    api = await startTestApi(database, {}, { maxConnections: 3 });
    let free = () => {};
    const busy = api.db.transaction(
      () =>
        new Promise<void>((resolve) => {
          free = resolve;
        }),
    );
    await expect.poll(() => metric('licentric_database_connections{state="used"}')).toBeGreaterThan(0);
    expect(await metric("licentric_database_connections_max")).toBe(3);
    free();
    await busy;
  });
});

describe("the metrics of Stripe", () => {
  it("time each request by what came of it", async () => {
    const stripe = await startStripeStandIn();
    api = await startTestApi(embedded, {
      logLevel: "silent",
      stripe: { apiKey: "sk_test_metrics", baseUrl: stripe.url, timeout: 2_000 },
    });
    try {
      const { key } = await api.createAccount();
      const { token } = await createAuthorizedAgent(api, key);
      await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls" } });
      const { body } = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
      await api.call("POST", `/api/v1/billing/periods/${body.data.id}/close`, { token: key });
      stripe.addFault({ on: "POST /v1/customers", kind: "402", times: 1 });
      await api.call("POST", `/api/v1/billing/periods/${body.data.id}/invoice`, { token: key });
      const count = (outcome: string) =>
        metric(`licentric_stripe_request_duration_seconds_count{outcome="${outcome}"}`);
      expect(await count("refused")).toBe(1);
      await api.call("POST", `/api/v1/billing/periods/${body.data.id}/invoice`, { token: key });
      expect(await count("ok")).toBeGreaterThan(2);
      await stripe.close();
      await api.call("GET", `/api/v1/billing/periods/${body.data.id}/check`, { token: key });
      expect(await count("unreachable")).toBeGreaterThan(0);
    } finally {
      await stripe.close().catch(() => undefined);
    }
  }, 30_000);
});
