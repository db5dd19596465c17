import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { request } from "undici";
import { v7 as uuidv7 } from "uuid";
import { expect, it } from "vitest";
import { createAccount, getEnvironmentId } from "../src/accounts/accounts.ts";
import { createKey } from "../src/accounts/keys.ts";
import { createAgent } from "../src/agents/agents.ts";
import { authorizeAgent } from "../src/agents/credentials.ts";
import { openDatabase } from "../src/store/open-database.ts";
import { describeOnEachDatabase, type TestDatabase } from "./support/databases.ts";
import { startServerProcess } from "./support/server-process.ts";

type Location = Awaited<ReturnType<TestDatabase["create"]>>["location"];

/** An agent's token, made before the server starts: an embedded database has one process at a time. */
async function prepare(location: Location): Promise<string> {
  const db = await openDatabase(location);
  const making = { newId: () => uuidv7(), now: new Date(), randomBytes };
  const { id } = await createAccount(db, { name: "Acme" }, making);
  const environmentId = await getEnvironmentId(db, id, "test");
  await createKey(db, { environmentId, mode: "test" }, making);
  const agent = await createAgent(db, environmentId, { name: "agent" }, making);
  const { token } = await authorizeAgent(
    db,
    environmentId,
    { agentId: agent.id, scopes: ["mcp:invoke"] },
    making,
  );
  await db.close();
  return token;
}

describeOnEachDatabase("SIGTERM on $name", (database) => {
  it("lets every request in flight finish, keeps what was acknowledged, and ends the process", async () => {
    const { location, remove } = await database.create();
    try {
      const token = await prepare(location);
      const server = await startServerProcess(location);
      const { hostname, port } = new URL(server.url);
      const body = JSON.stringify({ meterName: "api_calls" });

      // One request whose body is still on its way when the signal comes.
      const slow = connect(Number(port), hostname);
      let answer = "";
      slow.on("data", (chunk) => {
        answer += chunk;
      });
      const slowEnded = new Promise<void>((resolve) => slow.once("close", () => resolve()));
      slow.write(
        `POST /api/v1/mcp/verify HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${token}\r\n` +
          `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`,
      );
      const call = async () => {
        const { statusCode, body: stream } = await request(`${server.url}/api/v1/mcp/verify`, {
          method: "POST",
          headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
          body,
        });
        await stream.dump();
        return statusCode;
      };
      expect(await call()).toBe(200);
      const underWay = Array.from({ length: 50 }, () => call().catch(() => "no answer"));
      await underWay[0];
      const stopped = server.stop();
      setTimeout(() => slow.write(body), 300);
      const statuses = await Promise.all(underWay);
      await Promise.all([slowEnded, stopped]);

      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      expect(statuses.filter((status) => status !== 200 && status !== "no answer")).toEqual([]);
      const acknowledged = 2 + statuses.filter((status) => status === 200).length;
      const db = await openDatabase(location);
      const rows = await db.query<{ count: number }>("SELECT count(*) FROM metered_events");
      expect(rows[0]?.count).toBeGreaterThanOrEqual(acknowledged);
      expect(rows[0]?.count).toBeLessThanOrEqual(52);
      await db.close();
    } finally {
      await remove();
    }
  }, 60_000);
});
