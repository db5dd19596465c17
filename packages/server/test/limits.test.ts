import { connect } from "node:net";
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { DatabaseUnavailableError } from "../src/store/database.ts";
import { openDatabase } from "../src/store/open-database.ts";
import { createAuthorizedAgent, startTestApi } from "./support/api.ts";
import { describeOnEachDatabase, describeOnPostgres } from "./support/databases.ts";

describeOnEachDatabase("limits on $name", (database) => {
  it("answer a request whose work does not come to an end, and say that the server is not ready", async () => {
    const api = await startTestApi(database, {
      logLevel: "silent",
      answerTimeout: 300,
      shutdownTimeout: 500,
    });
    const { query, transaction } = api.db;
    try {
      const { key } = await api.createAccount();
      const { token } = await createAuthorizedAgent(api, key);
      const body = { meterName: "api_calls" };
      expect(await api.call("POST", "/api/v1/mcp/verify", { token, body })).toMatchObject({ status: 200 });
      const never = () => new Promise<never>(() => {});
      Object.assign(api.db, { query: never, transaction: never });
      for (const [path, call] of [
        ["/api/v1/mcp/verify", { token, body }],
        ["/api/v1/agents", { token: key, body: { name: "another" } }],
      ] as const) {
        const started = performance.now();
        const answer = await api.call("POST", path, call);
        expect(answer).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } });
        expect(answer.headers["retry-after"]).toBe("1");
        expect(performance.now() - started).toBeLessThan(3_000);
      }
      expect(await api.call("GET", "/readyz")).toMatchObject({ status: 503 });
    } finally {
      Object.assign(api.db, { query, transaction });
      await api.close();
    }
  });

  it("end a shutdown that a client holds up, and say so in the log", async () => {
    let log = "";
    const logDestination = new Writable({
      write: (chunk, _, done) => {
        log += chunk;
        done();
      },
    });
    const api = await startTestApi(database, { logDestination, shutdownTimeout: 500 });
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.resume();
    socket.write(
      "POST /api/v1/agents HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    );
    await api.call("GET", "/healthz");
    const started = performance.now();
    await api.close();
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(log).toContain("within 0.5 s");
    await ended;
  });
});

describeOnPostgres("a transaction on $name", (database) => {
  // Longer than a statement may take, as in a process that is held up, or a large migration.
  const pause = async (limits?: { queryTimeout: number }) => {
    const { location, remove } = await database.create();
    const db = await openDatabase({ ...location, queryTimeout: 200 });
    try {
      return await db.transaction(async (tx) => {
        await tx.query("SELECT 1");
        await sleep(600);
        return tx.query<{ done: boolean }>("SELECT true AS done");
      }, limits);
    } finally {
      await db.close();
      await remove();
    }
  };

  it("is ended when it does nothing for longer than a statement may take", async () => {
    await expect(pause()).rejects.toThrow(DatabaseUnavailableError);
  });

  it("that has no limit may do nothing for a while", async () => {
    expect(await pause({ queryTimeout: 0 })).toEqual([{ done: true }]);
  });
});

describeOnPostgres("a statement on $name", (database) => {
  it("is not compiled, which takes longer than to read the few rows that it is after", async () => {
    const { location, remove } = await database.create("current");
    const db = await openDatabase(location);
    try {
      expect(await db.query("SELECT current_setting('jit') AS jit")).toEqual([{ jit: "off" }]);
    } finally {
      await db.close();
      await remove();
    }
  });
});
