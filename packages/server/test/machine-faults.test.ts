import pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnPostgres, type TestDatabase } from "./support/databases.ts";
import { until } from "./support/until.ts";

describeOnPostgres("faults of the machine's on $name", (database) => {
  let api: TestApi;
  let saboteur: pg.Client;
  let key: string;
  let token: string;
  let agentId: string;

  beforeEach(async () => {
    let databaseUrl = "";
    const noted: TestDatabase = {
      name: database.name,
      create: async () => {
        const created = await database.create();
        if ("databaseUrl" in created.location) ({ databaseUrl } = created.location);
        return created;
      },
    };
    api = await startTestApi(noted, { logLevel: "silent" });
    saboteur = new pg.Client({ connectionString: databaseUrl });
    saboteur.on("error", () => {});
    await saboteur.connect();
    ({ key } = await api.createAccount());
    ({ token, agentId } = await createAuthorizedAgent(api, key));
    expect(await verify("first")).toMatchObject({ status: 200 });
  });
  afterEach(async () => {
    await saboteur.end();
    await api.close();
  });

  const verify = (idempotencyKey: string) =>
    api.call("POST", "/api/v1/mcp/verify", {
      token,
      body: { meterName: "api_calls" },
      headers: { "idempotency-key": idempotencyKey },
    });
  const record = (count: number, idempotencyKey: string) =>
    api.call("POST", "/api/v1/usage/events", {
      token: key,
      body: { events: Array.from({ length: count }, () => ({ agentId, meterName: "api_calls" })) },
      headers: { "idempotency-key": idempotencyKey },
    });
  /** Changes a setting of the database for every connection that is made from now on. */
  const set = async (setting: string) => {
    const name = saboteur.database ?? "";
    await saboteur.query(`ALTER DATABASE ${name} ${setting}`);
    await saboteur.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    // Whatever its answer is: it takes the place of a connection that was cut.
    await until(
      "connected again",
      async () => (await api.call("GET", "/api/v1/agents", { token: key })).status === 200,
    );
  };
  const cancelWaiting = () =>
    saboteur.query(
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
  const holdPeriods = async () => {
    await saboteur.query("BEGIN");
    await saboteur.query("SELECT 1 FROM periods FOR UPDATE");
  };

  it("a server that takes no changes: 503 until it takes them again, on new connections", async () => {
    await set("SET default_transaction_read_only = on");
    for (const answer of [
      await verify("a"),
      await record(3, "b"),
      await api.call("POST", "/api/v1/agents", { token: key, body: { name: "another" } }),
    ]) {
      expect(answer).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } });
      expect(answer.headers["retry-after"]).toBe("1");
      expect(answer.body.error).toContain("takes no changes");
    }
    expect(await api.call("GET", "/readyz")).toMatchObject({ status: 503 });

    // Connections that are there stay as they are: only others can write.
    await saboteur.query(`ALTER DATABASE ${saboteur.database} RESET default_transaction_read_only`);
    await until("ready", async () => (await api.call("GET", "/readyz")).status === 200, 10_000);
    for (const again of ["a", "b"]) expect(await verify(again)).toMatchObject({ status: 200 });
  }, 60_000);

  it("a lock that does not come in time: 503, whatever limit it is that ends the wait", async () => {
    await set("SET lock_timeout = '100ms'");
    await holdPeriods();
    expect(await verify("a")).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } });
    await saboteur.query("ROLLBACK");
    expect(await verify("a")).toMatchObject({ status: 200 });

    await set("SET lock_timeout = 0");
    await holdPeriods();
    const answered = verify("b").then((answer) => answer, String);
    let over = false;
    void answered.finally(() => {
      over = true;
    });
    await until("given up", async () => {
      await cancelWaiting();
      return over;
    });
    expect(await answered).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } });
    await saboteur.query("ROLLBACK");
    expect(await verify("b")).toMatchObject({ status: 200 });
  }, 60_000);

  it("a lock that comes after the first limit: the answer, for it is tried again", async () => {
    await set("SET lock_timeout = '100ms'");
    await holdPeriods();
    const answered = verify("a");
    const waited = async () => {
      const { rows } = await saboteur.query(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      );
      return rows.length > 0;
    };
    await until("waiting", waited);
    await until("given up once", async () => !(await waited()));
    await saboteur.query("ROLLBACK");
    expect(await answered).toMatchObject({ status: 200 });
  }, 60_000);

  it("transactions that cannot be put in an order: all of them, one after another", async () => {
    await set("SET default_transaction_isolation = 'serializable'");
    const budget = { agentId, meterName: "api_calls", limit: 1_000_000 };
    await api.call("POST", "/api/v1/budgets", { token: key, body: budget });
    const requests = Array.from({ length: 40 }, (_, index) => [
      () => verify(`v${index}`),
      () => api.call("POST", "/api/v1/agents", { token: key, body: { name: `agent ${index}` } }),
      () =>
        api.call("POST", "/api/v1/mcp/reserve", {
          token,
          body: { meterName: "api_calls", enforceBudget: true },
        }),
    ]);
    const late: (typeof requests)[number] = [];
    await Promise.all(
      requests.map(async (own) => {
        for (const send of own) {
          const { status } = await send();
          if (status === 503) late.push(send);
          else expect(status).toBeLessThan(300);
        }
      }),
    );
    // Most find their order by themselves, however busy the machine is; the others when they come again.
    expect(late.length).toBeLessThan(60);
    for (const send of late) expect((await send()).status).toBeLessThan(300);
  }, 60_000);

  it("a batch that a lock holds up ends as one, and is not taken apart", async () => {
    await set("SET lock_timeout = '100ms'");
    await holdPeriods();
    const started = performance.now();
    const [batch, single] = await Promise.all([record(256, "batch"), verify("beside")]);
    for (const answer of [batch, single]) expect(answer).toMatchObject({ status: 503 });
    expect(performance.now() - started).toBeLessThan(8_000);
    await saboteur.query("ROLLBACK");
    const again = await record(256, "batch");
    expect(again.body.data.results).toHaveLength(256);
    expect(await verify("beside")).toMatchObject({ status: 200 });
    const rows = await api.db.query<{ count: number }>("SELECT count(*) FROM metered_events");
    expect(rows).toEqual([{ count: 258 }]);
  }, 60_000);

  it("a schema that changes under prepared statements: the answer, by a statement that is prepared anew", async () => {
    const all = () => api.db.query<{ id: number }>("/* everything */ SELECT * FROM changing");
    await api.db.query("CREATE TABLE changing (id int)");
    for (let time = 0; time < 3; time += 1) await Promise.all(Array.from({ length: 10 }, all));
    await saboteur.query("ALTER TABLE changing ADD COLUMN added text");
    await saboteur.query("INSERT INTO changing VALUES (1, 'new')");
    expect(await all()).toEqual([{ id: 1, added: "new" }]);
    expect(await Promise.all(Array.from({ length: 10 }, all))).toHaveLength(10);
  }, 60_000);
});
