import { spawnSync } from "node:child_process";
import { mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type DatabaseLocation, openDatabase } from "../src/store/open-database.ts";
import type { LoadTarget } from "./support/load.ts";
import { createLoadTarget } from "./support/load-target.ts";
import { type ServerProcess, startServerProcess } from "./support/server-process.ts";

const MIB = 1_024 * 1_024;
const canMount = process.platform === "linux" && process.getuid?.() === 0;

/** An answer of the API, and how long it took. */
interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: an answer of any route.
  readonly body: any;
}

// A file system of its own: only Linux gives one for the asking, and only to root.
describe.skipIf(!canMount)("the embedded database on a full disk", () => {
  let disk: string;
  let location: DatabaseLocation;
  let target: LoadTarget;
  let server: ServerProcess;
  let batch = 0;

  beforeEach(async () => {
    disk = await mkdtemp(join(tmpdir(), "licentric-disk-"));
    const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=160m", "tmpfs", disk]);
    expect(status).toBe(0);
    location = { dataDirectory: join(disk, "data") };
    target = await createLoadTarget(location);
    server = await startServerProcess(location);
  }, 60_000);
  afterEach(async () => {
    await server.kill();
    spawnSync("umount", [disk]);
    await rm(disk, { recursive: true });
  });

  /** Fills the disk but for some bytes; the file can be removed. */
  async function leaveRoom(bytes: number): Promise<string> {
    const { bavail, bsize } = await statfs(disk);
    const filler = join(disk, "filler");
    await writeFile(filler, Buffer.alloc(bavail * bsize - bytes, 1));
    return filler;
  }

  async function call(method: "GET" | "POST", path: string, body?: object): Promise<Answer> {
    batch += 1;
    const answer = await request(server.url + path, {
      method,
      headersTimeout: 10_000,
      headers: {
        authorization: `Bearer ${target.key}`,
        "content-type": "application/json",
        "idempotency-key": `batch-${batch}`,
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const retryAfter = answer.headers["retry-after"];
    return { status: answer.statusCode, retryAfter: String(retryAfter), body: await answer.body.json() };
  }

  const recordMany = () => {
    const event = { agentId: target.agents[0]?.agentId, meterName: "api_calls", quantity: 1 };
    return call("POST", "/api/v1/usage/events", { events: Array.from({ length: 500 }, () => event) });
  };

  /** Records until the API refuses. The ids of what was acknowledged are added to `taken`. */
  async function recordUntilRefused(taken: Set<string>): Promise<Answer> {
    for (let count = 0; count < 500; count += 1) {
      const answers = await Promise.all([recordMany(), call("GET", "/healthz")]);
      const [recorded, health] = answers;
      expect(health?.status).toBe(200);
      if (recorded?.status !== 200) return recorded ?? { status: 0, retryAfter: undefined, body: null };
      for (const { event } of recorded.body.data.results) taken.add(event.id);
    }
    throw new Error("the disk was never full");
  }

  async function untilReady(): Promise<void> {
    const deadline = Date.now() + 20_000;
    while ((await call("GET", "/readyz")).status !== 200) {
      if (Date.now() > deadline) throw new Error("the API was not ready again after 20 s with room");
      await sleep(100);
    }
  }

  it.each([
    ["data files have no room", 0],
    // Files of the log are made whole, with 16 MiB: PostgreSQL ends itself where it cannot have one.
    ["the log has no room", 12 * MIB],
  ])(
    "answers 503 when %s, loses nothing, and goes on by itself with room",
    { timeout: 180_000 },
    async (_, room) => {
      const taken = new Set<string>();
      for (let round = 0; round < 2; round += 1) {
        const filler = await leaveRoom(room);
        const refused = await recordUntilRefused(taken);
        expect(refused).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } });
        expect(Number(refused.retryAfter)).toBeGreaterThan(0);
        expect(await call("GET", "/readyz")).toMatchObject({ status: 503 });
        expect(await call("GET", "/healthz")).toMatchObject({ status: 200 });
        // As long as there is no room, at once and without an end.
        const again = await Promise.all(Array.from({ length: 5 }, recordMany));
        expect(again.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503]);

        await rm(filler);
        await untilReady();
        const { status, body } = await recordMany();
        expect(status).toBe(200);
        for (const { event } of body.data.results) taken.add(event.id);
      }
      await server.stop();
      const db = await openDatabase(location);
      const stored = await db.query<{ id: string }>("SELECT id FROM metered_events");
      await db.close();
      const ids = new Set(stored.map(({ id }) => id));
      expect([...taken].filter((id) => !ids.has(id))).toEqual([]);
    },
  );

  it("says so when it cannot start", async () => {
    await server.stop();
    await leaveRoom(0);
    await expect(openDatabase({ dataDirectory: join(disk, "another") })).rejects.toThrow(
      /The disk of .* is full \(.*\)\. Make room on it\./,
    );
  });
});
