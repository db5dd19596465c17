import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { DatabaseLocation } from "../src/store/open-database.ts";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnPostgres, type TestDatabase } from "./support/databases.ts";
import { type HoldingProxy, startHoldingProxy } from "./support/holding-proxy.ts";
import { type Load, startLoad } from "./support/load.ts";
import { createLoadTarget, expectAcknowledgedRecordedAndBilled } from "./support/load-target.ts";
import { type ServerProcess, startServerProcess } from "./support/server-process.ts";
import { until } from "./support/until.ts";

/** How long the network is away under load. With half a minute or more the limits are those of production. */
const SECONDS = Number(process.env["LICENTRIC_TEST_PARTITION_SECONDS"] ?? 3);
const SHORT = { connectTimeout: 300, queryTimeout: 500, answerTimeout: 2_000, shutdownTimeout: 1_500 };
const LIMITS = SECONDS < 30 ? SHORT : {};

function databaseUrlOf(location: DatabaseLocation): string {
  if (!("databaseUrl" in location)) throw new Error("the PostgreSQL of the tests has no URL");
  return location.databaseUrl;
}

/** PostgreSQL by way of a proxy. */
function behind(database: TestDatabase, onProxy: (proxy: HoldingProxy) => void): TestDatabase {
  return {
    name: database.name,
    create: async () => {
      const { location, remove } = await database.create();
      const proxy = await startHoldingProxy(databaseUrlOf(location));
      onProxy(proxy);
      return {
        location: { databaseUrl: proxy.databaseUrl },
        remove: async () => {
          await proxy.close();
          await remove();
        },
      };
    },
  };
}

describeOnPostgres("$name behind a network that holds every byte", (database) => {
  it("is told of within the limits, on every route and in the log, and used again when it is back", async () => {
    let proxy: HoldingProxy | undefined;
    const lines: string[] = [];
    const logDestination = new Writable({
      write: (chunk, _, done) => {
        lines.push(String(chunk));
        done();
      },
    });
    const options = { logLevel: "warn", logDestination, answerTimeout: 2_000 } as const;
    const api = await startTestApi(
      behind(database, (one) => {
        proxy = one;
      }),
      options,
      SHORT,
    );
    try {
      const { key } = await api.createAccount();
      const { token } = await createAuthorizedAgent(api, key);
      const verify = (idempotencyKey: string) =>
        api.call("POST", "/api/v1/mcp/verify", {
          token,
          body: { meterName: "api_calls" },
          headers: { "idempotency-key": idempotencyKey },
        });
      expect(await verify("before")).toMatchObject({ status: 200 });
      expect(await api.call("GET", "/readyz")).toMatchObject({ status: 200 });

      proxy?.hold();
      const started = performance.now();
      const answers = await Promise.all([
        ...["1", "2", "3"].map(verify),
        api.call("GET", "/api/v1/agents", { token: key }),
        api.call("POST", "/api/v1/agents", { token: key, body: { name: "another" } }),
      ]);
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } });
        expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
      }
      expect(performance.now() - started).toBeLessThan(4_000);
      expect(await api.call("GET", "/readyz")).toMatchObject({ status: 503 });
      expect(await api.call("GET", "/healthz")).toMatchObject({ status: 200 });
      expect(lines.join("")).toContain("PostgreSQL cannot be reached");
      // Connections that are made meanwhile are held as well.
      expect(await verify("4")).toMatchObject({ status: 503 });

      proxy?.release();
      await until("ready", async () => (await api.call("GET", "/readyz")).status === 200);
      for (const key of ["1", "2", "3", "4"]) expect(await verify(key)).toMatchObject({ status: 200 });
      expect(await recorded(api)).toBe(5);
    } finally {
      proxy?.release();
      await api.close();
    }
  }, 60_000);

  it("lets SIGTERM end the process within its limit", async () => {
    const { location, remove } = await database.create();
    const proxy = await startHoldingProxy(databaseUrlOf(location));
    let server: ServerProcess | undefined;
    try {
      const target = await createLoadTarget(location);
      server = await startServerProcess({ databaseUrl: proxy.databaseUrl }, { limits: SHORT });
      const load = startLoad({ urls: () => (server === undefined ? [] : [server.url]), target });
      await until("under load", () => load.events.size > 20);
      proxy.hold();
      await sleep(100);
      const started = performance.now();
      await server.stop();
      expect(performance.now() - started).toBeLessThan(SHORT.shutdownTimeout + 3_000);
      server = undefined;
      // What was given up may have been done: it is answered when it is repeated.
      proxy.release();
      server = await startServerProcess(location);
      await load.stop();
      await server.stop();
      server = undefined;
      await expectAcknowledgedRecordedAndBilled(location, target, load);
    } finally {
      await server?.kill();
      await proxy.close();
      await remove();
    }
  }, 120_000);

  it(
    `loses nothing and doubles nothing in ${SECONDS} s, with one and with two processes cut off`,
    async () => {
      const { location, remove } = await database.create();
      const proxies = [
        await startHoldingProxy(databaseUrlOf(location)),
        await startHoldingProxy(databaseUrlOf(location)),
      ] as const;
      const servers: ServerProcess[] = [];
      let load: Load | undefined;
      try {
        const target = await createLoadTarget(location);
        for (const { databaseUrl } of proxies) {
          servers.push(await startServerProcess({ databaseUrl }, { limits: LIMITS }));
        }
        const urls = servers.map(({ url }) => url);
        load = startLoad({ urls: () => urls, target, closeEvery: 150 });
        const { events } = load;
        const more = (what: string) => {
          const before = events.size;
          return until(`events acknowledged ${what}`, () => events.size > before + 20, 60_000);
        };
        await more("before the cut");
        proxies[0].hold();
        await more("by the process that is not cut off");
        await sleep(SECONDS * 500);
        await more("by it still");
        proxies[1].hold();
        await sleep(SECONDS * 1_000);
        for (const server of servers) {
          expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
          expect(server.log()).toContain("PostgreSQL cannot be reached");
        }
        for (const proxy of proxies) proxy.release();
        for (const { url } of servers) await until("ready", async () => (await fetch(`${url}/readyz`)).ok);
        await more("after the cut");
        await load.stop();
        expect(load.repeated()).toBeGreaterThan(0);
        for (const server of servers.splice(0)) await server.stop();
        await expectAcknowledgedRecordedAndBilled(location, target, load);
      } finally {
        for (const proxy of proxies) proxy.release();
        await load?.stop().catch(() => {});
        for (const server of servers) await server.kill();
        for (const proxy of proxies) await proxy.close();
        await remove();
      }
    },
    240_000 + SECONDS * 2_000,
  );
});

async function recorded({ db }: TestApi): Promise<number> {
  const rows = await db.query<{ count: number }>("SELECT count(*) FROM metered_events");
  return rows[0]?.count ?? 0;
}
