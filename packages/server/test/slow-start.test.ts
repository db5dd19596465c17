import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { DatabaseSetupError } from "../src/store/database.ts";
import { openPostgres } from "../src/store/postgres.ts";
import { describeOnPostgres } from "./support/databases.ts";

describeOnPostgres("a start while $name is slow to take connections", ({ create }) => {
  let proxy: Server;
  const sockets = new Set<Socket>();
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });

  /** Leaves the first connections without an answer, and passes the others on. */
  async function startProxy(target: URL, unanswered: number): Promise<{ url: string; seen: () => number }> {
    let seen = 0;
    proxy = createServer((socket) => {
      sockets.add(socket.on("error", () => undefined));
      if (++seen <= unanswered) return;
      const upstream = connect(Number(target.port || 5432), target.hostname);
      sockets.add(upstream.on("error", () => socket.destroy()));
      socket.pipe(upstream).pipe(socket);
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const address = proxy.address();
    if (address === null || typeof address === "string") throw new Error("the proxy has no port");
    const url = new URL(target);
    url.hostname = "127.0.0.1";
    url.port = String(address.port);
    return { url: url.href, seen: () => seen };
  }

  it.each([1, 2, 3])("tries up to three times, %d without an answer", async (unanswered) => {
    const { location, remove } = await create();
    if (!("databaseUrl" in location)) throw new Error("the PostgreSQL of the tests has no URL");
    const { url, seen } = await startProxy(new URL(location.databaseUrl), unanswered);
    // Within it a server that is busy with other tests has to answer.
    const opening = openPostgres(url, { connectTimeout: 1_500 });
    if (unanswered < 3) {
      const db = await opening;
      expect(await db.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
      await db.close();
    } else {
      await expect(opening).rejects.toThrow(DatabaseSetupError);
      expect(seen()).toBe(3);
    }
    await remove();
  });
});
