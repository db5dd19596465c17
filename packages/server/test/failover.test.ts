import pg from "pg";
import { expect, it } from "vitest";
import { startServer } from "../src/start-server.ts";
import { openDatabase } from "../src/store/open-database.ts";
import { describeOnPostgres } from "./support/databases.ts";
import { startHoldingProxy } from "./support/holding-proxy.ts";
import { startLoad } from "./support/load.ts";
import { createLoadTarget, expectAcknowledgedRecordedAndBilled } from "./support/load-target.ts";
import { findPostgresPrograms, startPrivatePostgres } from "./support/private-postgres.ts";
import { until } from "./support/until.ts";

describeOnPostgres("a failover of $name", () => {
  const programs = findPostgresPrograms();
  it("to a standby: 503 until it takes changes, and nothing is lost", {
    timeout: 240_000,
  }, async (context) => {
    if ("missing" in programs) {
      if (process.env["CI"]) throw new Error(`${programs.missing}; install PostgreSQL's server package`);
      return context.skip(programs.missing);
    }
    const primary = await startPrivatePostgres(programs.directory);
    try {
      const target = await createLoadTarget({ databaseUrl: primary.databaseUrl });
      const standby = await primary.startStandby();
      const proxy = await startHoldingProxy(primary.databaseUrl);
      try {
        await waitForStandby(primary.databaseUrl);
        const db = await openDatabase({ databaseUrl: proxy.databaseUrl });
        const server = await startServer({ db, port: 0, logLevel: "silent" });
        const ready = async () => (await fetch(`${server.url}/readyz`)).status;
        const load = startLoad({ urls: () => [server.url], target, closeEvery: 150 });
        try {
          await until("under load", () => load.events.size > 50);
          expect(await ready()).toBe(200);
          proxy.lead(standby.databaseUrl);
          await until("not ready", async () => (await ready()) === 503);
          const before = load.events.size;
          const statuses = new Set<number>();
          for (let count = 0; count < 20; count += 1) {
            const answer = await fetch(`${server.url}/api/v1/mcp/verify`, {
              method: "POST",
              headers: {
                authorization: `Bearer ${target.agents[0]?.token}`,
                "content-type": "application/json",
              },
              body: JSON.stringify({ meterName: "api_calls" }),
            });
            statuses.add(answer.status);
          }
          expect([...statuses]).toEqual([503]);

          await standby.promote();
          await until("ready again", async () => (await ready()) === 200);
          await until("acknowledged again", () => load.events.size > before + 50);
          await load.stop();
        } finally {
          await load.stop().catch(() => {});
          await server.close();
          await db.close();
        }
        await expectAcknowledgedRecordedAndBilled({ databaseUrl: standby.databaseUrl }, target, load);
      } finally {
        await proxy.close();
        await standby.remove();
      }
    } finally {
      await primary.remove();
    }
  });
});

/** From now on what the primary acknowledges is on the standby, too. */
async function waitForStandby(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query("ALTER SYSTEM SET synchronous_standby_names = '*'");
    await client.query("SELECT pg_reload_conf()");
    await until("followed", async () => {
      const { rows } = await client.query("SELECT sync_state FROM pg_stat_replication");
      return rows[0]?.sync_state === "sync";
    });
  } finally {
    await client.end();
  }
}
