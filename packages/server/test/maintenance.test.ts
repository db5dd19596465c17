import { afterAll, beforeAll, expect, it } from "vitest";
import { removeExpired } from "../src/maintenance.ts";
import { startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

describeOnEachDatabase("what is only kept for a time, on $name", (database) => {
  const now = new Date("2027-06-01T00:00:00.000Z");
  const ago = (hours: number) => new Date(now.getTime() - hours * 3_600_000);
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(database, { allowPrivateWebhooks: true, backgroundInterval: 3_600_000 });
  }, 60_000);
  afterAll(() => api.close());

  it("goes when its time is over, and what is still to be sent stays", async () => {
    const { key } = await api.createAccount();
    const webhook = await api.call("POST", "/api/v1/webhooks", {
      token: key,
      body: { url: "http://127.0.0.1:9/" },
    });
    const { db } = api;
    for (const [id, days] of [
      ["old", 61],
      ["new", 59],
    ] as const) {
      await db.query("INSERT INTO stripe_events (id, received_at) VALUES ($1, $2)", [id, ago(24 * days)]);
    }
    for (const [bucket, hours] of [
      ["old", 2],
      ["new", 0],
    ] as const) {
      await db.query("INSERT INTO rate_limits (bucket, window_start, count) VALUES ($1, $2, 1)", [
        bucket,
        ago(hours),
      ]);
    }
    for (const [body, days, next] of [
      ["sent long ago", 31, null],
      ["sent lately", 29, null],
      ["never sent", 400, now],
    ] as const) {
      await db.query(
        `INSERT INTO webhook_deliveries (event_id, webhook_id, environment_id, body, next_attempt_at, created_at)
         SELECT gen_random_uuid(), id, environment_id, $2, $3, $4 FROM webhooks WHERE id = $1`,
        [webhook.body.data.id, body, next, ago(24 * days)],
      );
    }

    await removeExpired(db, now);

    const left = async (table: string, column: string) => {
      const rows = await db.query<{ name: string }>(`SELECT ${column} AS name FROM ${table} ORDER BY 1`);
      return rows.map(({ name }) => name);
    };
    expect(await left("stripe_events", "id")).toEqual(["new"]);
    expect(await left("rate_limits", "bucket")).toEqual(["new"]);
    expect(await left("webhook_deliveries", "body")).toEqual(["never sent", "sent lately"]);
  });
});
