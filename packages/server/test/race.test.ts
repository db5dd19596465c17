import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { afterAll, beforeAll, expect, it } from "vitest";
import { checkTotals } from "../src/metering/check-totals.ts";
import { migrations } from "../src/store/migrate.ts";
import { type DatabaseLocation, openDatabase } from "../src/store/open-database.ts";
import { describeOnEachDatabase, describeOnPostgres } from "./support/databases.ts";
import { type LoadTarget, startLoad } from "./support/load.ts";
import { createLoadTarget, expectAcknowledgedRecordedAndBilled } from "./support/load-target.ts";
import { type ServerProcess, startServerProcess } from "./support/server-process.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";
import { until } from "./support/until.ts";

const RACE_TIME = 3_000;

describeOnEachDatabase("usage that races closes on $name", (database) => {
  it("is in exactly one period each, and all periods together are what was sent", {
    timeout: 180_000,
  }, async () => {
    const { location, remove } = await database.create();
    const processes: ServerProcess[] = [];
    try {
      const target = await createLoadTarget(location);
      // The embedded database belongs to one process.
      for (let count = database.name === "embedded" ? 1 : 2; count > 0; count -= 1)
        processes.push(await startServerProcess(location));
      const load = startLoad({
        urls: () => processes.map(({ url }) => url),
        target,
        writers: 8,
        closeEvery: 100,
      });
      const closed = () => new Set(load.closed.map(({ id }) => id)).size;
      await Promise.all([
        sleep(RACE_TIME),
        until("raced", () => load.events.size > 20 && closed() > 2, 120_000),
      ]);
      await load.stop();
      await Promise.all(processes.splice(0).map((one) => one.stop()));
      await expectAcknowledgedRecordedAndBilled(location, target, load);
    } finally {
      await Promise.all(processes.map((one) => one.kill()));
      await remove();
    }
  });
});

describeOnPostgres("two processes over one $name", (database) => {
  let location: DatabaseLocation;
  let remove: () => Promise<void>;
  let processes: ServerProcess[] = [];
  let stripe: StripeStandIn;
  let target: LoadTarget;

  beforeAll(async () => {
    ({ location, remove } = await database.create());
    stripe = await startStripeStandIn();
    const start = () => startServerProcess(location, { stripeUrl: stripe.url });
    // Both find an empty database and want to make its tables.
    processes = await Promise.all([start(), start()]);
    target = await createLoadTarget(location);
  }, 120_000);
  afterAll(async () => {
    await Promise.all(processes.map((one) => one.kill()));
    await stripe.close();
    await remove();
  });

  const post = async (url: string, token: string, path: string, key: string | null, body: object = {}) => {
    const { statusCode, body: stream } = await request(`${url}/api/v1${path}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        ...(key !== null && { "idempotency-key": key }),
      },
      body: JSON.stringify(body),
    });
    // biome-ignore lint/suspicious/noExplicitAny: an answer of any route.
    return { status: statusCode, body: (await stream.json()) as any };
  };
  /** The same request to each process, several times at once. */
  const everywhere = (token: string, path: string, key: string | null, body?: object) =>
    Promise.all(
      [...processes, ...processes, ...processes].map(({ url }) => post(url, token, path, key, body)),
    );
  const count = async (table: string, where: string, value: string) => {
    const db = await openDatabase(location);
    const [row] = await db.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM ${table} WHERE ${where} = $1`,
      [value],
    );
    await db.close();
    return row?.n;
  };
  const currentPeriod = async () => {
    const { body } = await request(`${processes[0]?.url}/api/v1/billing/periods/current`, {
      headers: { authorization: `Bearer ${target.key}` },
    });
    // biome-ignore lint/suspicious/noExplicitAny: an answer of any route.
    return ((await body.json()) as any).data.id;
  };

  it("refuses on one within a second what was revoked on the other, though it is in use", async () => {
    const [one = "", other = ""] = processes.map(({ url }) => url);
    const agent = await post(one, target.key, "/agents", null, { name: "short-lived" });
    const authorize = { agentId: agent.body.data.id, scopes: ["mcp:invoke"] };
    const { token, credentialId } = (await post(one, target.key, "/mcp/authorize", null, authorize)).body
      .data;
    const spare = (await post(one, target.key, "/keys", null, { name: "spare" })).body.data;
    const use = async () => [
      (await post(other, token, "/mcp/verify", null)).status,
      // What a key changes would make the process forget what it knows of credentials.
      (await post(other, spare.key, "/usage/events", null, { events: [{}] })).status,
    ];
    expect(await use()).toEqual([200, 200]);
    await post(one, target.key, `/credentials/${credentialId}/revoke`, null);
    await post(one, target.key, `/keys/${spare.id}/revoke`, null);
    const revoked = performance.now();
    while (performance.now() - revoked < 1_000) await use();
    expect(await use()).toEqual([401, 401]);
  });

  it("makes the tables once, whoever comes first", async () => {
    const opened = await Promise.all(Array.from({ length: 4 }, () => openDatabase(location)));
    const versions = await Promise.all(opened.map((db) => db.query("SELECT version FROM schema_version")));
    for (const rows of versions) expect(rows).toEqual([{ version: migrations.length }]);
    await Promise.all(opened.map((db) => db.close()));
  });

  it("records one event for a key that both receive at the same time", async () => {
    for (const [index, { token, agentId }] of target.agents.entries()) {
      for (let round = 0; round < 8; round += 1) {
        const key = `same-${index}-${round}`;
        const answers = await everywhere(token, "/mcp/verify", key, {
          meterName: "api_calls",
          quantity: 3,
        });
        expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
        const events = answers.map(({ body }) => body.data.event);
        expect(new Set(events.map(({ id }) => id)).size).toBe(1);
        expect(events.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
        expect(await count("metered_events", "idempotency_key", key)).toBe(1);
      }
      const batch = {
        events: [
          { agentId, meterName: "api_calls" },
          { agentId, meterName: "api_calls" },
        ],
      };
      const batches = await everywhere(target.key, "/usage/events", `batch-${index}`, batch);
      const ids = batches.flatMap(({ body }) =>
        body.data.results.map(({ event }: { event: { id: string } }) => event.id),
      );
      expect(new Set(ids).size).toBe(2);
    }
  });

  it("makes one agent, one token and one hold for a key that both receive at the same time", async () => {
    const [{ agentId, token } = { agentId: "", token: "" }] = target.agents;
    for (const [path, credential, body] of [
      ["/agents", target.key, { name: "one" }],
      ["/mcp/authorize", target.key, { agentId, scopes: ["mcp:invoke"] }],
      ["/mcp/reserve", token, { meterName: "api_calls", quantity: 2 }],
    ] as const) {
      const answers = await everywhere(credential, path, `once ${path}`, body);
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
      expect(new Set(answers.map(({ body }) => JSON.stringify(body.data))).size).toBe(1);
    }
  });

  it("commits a hold once that both are told to commit", async () => {
    const [{ token } = { token: "" }] = target.agents;
    const url = processes[0]?.url ?? "";
    const held = await post(url, token, "/mcp/reserve", null, { meterName: "api_calls", quantity: 9 });
    const answers = await everywhere(
      token,
      `/mcp/reservations/${held.body.data.reservation.id}/commit`,
      null,
      {
        quantity: 4,
      },
    );
    const events = answers.filter(({ status }) => status === 200).map(({ body }) => body.data.event.id);
    expect(events.length).toBeGreaterThan(0);
    expect(new Set(events).size).toBe(1);
    expect(answers.filter(({ status }) => status >= 500)).toEqual([]);
  });

  it("closes a period once, and invoices it once on Stripe", async () => {
    const periodId = await currentPeriod();
    for (const { token } of target.agents) {
      await post(processes[0]?.url ?? "", token, "/mcp/verify", null, {
        meterName: "api_calls",
        quantity: 500,
      });
    }
    const closes = await everywhere(target.key, `/billing/periods/${periodId}/close`, null);
    expect(closes.map(({ status }) => status)).toEqual(closes.map(() => 200));
    expect(new Set(closes.map(({ body }) => JSON.stringify(body.data))).size).toBe(1);

    for (const body of [{}, { customerId: target.customerId }]) {
      const path = `/billing/periods/${periodId}/invoice`;
      const invoices = await everywhere(target.key, path, null, body);
      // Whoever comes while another one is at it may be told to ask again; nobody may make a second one.
      const made = invoices.filter(({ status }) => status === 201);
      expect(
        invoices.map(({ status }) => status).filter((status) => ![201, 409, 502].includes(status)),
      ).toEqual([]);
      const last = await post(processes[1]?.url ?? "", target.key, path, null, body);
      expect(last).toMatchObject({
        status: 201,
        body: { data: { stripeConfigured: true, status: "open" } },
      });
      for (const invoice of made) expect(invoice.body.data.id).toBe(last.body.data.id);
      const inStripe = stripe
        .all("invoice")
        .filter((one) => one.metadata["licentric_invoice_id"] === last.body.data.id);
      expect(inStripe.map(({ id }) => id)).toEqual([last.body.data.stripeInvoiceId]);
      expect(
        stripe.all("invoiceitem").filter((item) => item["invoice"] === last.body.data.stripeInvoiceId),
      ).toHaveLength(last.body.data.lines.length);
    }
    expect(await count("invoices", "period_id", periodId)).toBe(2);
    expect(stripe.all("customer")).toHaveLength(2);
  });

  it("keeps the totals equal to the events all along", async () => {
    const db = await openDatabase(location);
    expect(await checkTotals(db)).toEqual([]);
    await db.close();
  });
});
