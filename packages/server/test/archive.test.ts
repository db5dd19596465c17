import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, expect, it } from "vitest";
import { getEnvironmentId } from "../src/accounts/accounts.ts";
import { archiveByAge } from "../src/archive/archive-by-age.ts";
import { type ArchiveOptions, archiveMonth } from "../src/archive/archive-month.ts";
import { checkTotals } from "../src/metering/check-totals.ts";
import { recordEvents } from "../src/metering/record-events.ts";
import type { Database } from "../src/store/database.ts";
import { monthOf } from "../src/store/month.ts";
import { createAuthorizedAgent, startTestApi, type TestAccount, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { stopping } from "./support/stopping.ts";

const DAY = 86_400_000;

describeOnEachDatabase("archived events on $name", (database) => {
  let api: TestApi;
  let directory: string;
  let account: TestAccount;
  let agentId: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "licentric-archive-"));
    api = await startTestApi(database, { backgroundInterval: 3_600_000 });
    account = await api.createAccount({ name: 'Acme, "the" company' });
    agentId = (await createAuthorizedAgent(api, account.liveKey, {})).agentId;
  }, 60_000);
  afterEach(async () => {
    await api.close();
    await rm(directory, { recursive: true, force: true });
  });

  const inDays = (days: number) => new Date(Date.now() + days * DAY);
  const making = (now: Date) => ({ now, newId: () => uuidv7(), actor: "cli" as const });
  const archive = (db: Database, month: string, now: Date, options: Partial<ArchiveOptions> = {}) =>
    archiveMonth(db, { month, directory, ...options }, making(now));

  /** Records live usage with ids of a moment: this month's partition, or one that is older than all partitions. */
  async function use(at: Date, events: number) {
    const environmentId = await getEnvironmentId(api.db, account.id, "live");
    const { key } = { key: account.liveKey };
    await api.call("GET", "/api/v1/billing/periods/current", { token: key });
    const rows = await recordEvents(
      api.db,
      Array.from({ length: events }, (_, index) => ({
        ...{ id: uuidv7({ msecs: at.getTime() + index }), environmentId, agentId, meterName: "api_calls" },
        ...{ quantity: 1 + (index % 3), byAgent: false, occurredAt: null, metadata: { note: 'a "b", c' } },
        idempotencyKey: index % 2 === 0 ? `key-${at.getTime()}-${index}` : null,
      })),
      new Date(),
    );
    expect(rows.every(({ recorded }) => recorded)).toBe(true);
  }

  async function closeAndInvoice(): Promise<string> {
    const token = account.liveKey;
    const { id } = (await api.call("GET", "/api/v1/billing/periods/current", { token })).body.data;
    await api.call("POST", `/api/v1/billing/periods/${id}/close`, { token });
    const invoice = await api.call("POST", `/api/v1/billing/periods/${id}/invoice`, { token, body: {} });
    expect(invoice.status).toBe(201);
    return id;
  }

  const count = async (table = "metered_events") =>
    (await api.db.query<{ count: number }>(`SELECT count(*) AS count FROM ${table}`))[0]?.count;
  const check = async (periodId: string) =>
    (await api.call("GET", `/api/v1/billing/periods/${periodId}/check`, { token: account.liveKey })).body
      .data;

  it.each([
    ["of a month with a partition of its own", 0],
    ["of the past before all partitions", -70],
  ])(
    "%s leave a file, the totals and the proof",
    async (_, days) => {
      const at = monthOf(inDays(days)).start;
      const month = monthOf(at).name;
      await use(at, 2_345);
      await use(new Date(monthOf(at, 1).start.getTime()), 3);
      const late = inDays(140);
      await expect(archive(api.db, month, inDays(days + 31))).rejects.toThrow(/idempotency keys are gone/);
      await expect(archive(api.db, month, late)).rejects.toThrow(/is open/);
      const token = account.liveKey;
      const { id } = (await api.call("GET", "/api/v1/billing/periods/current", { token })).body.data;
      await api.call("POST", `/api/v1/billing/periods/${id}/close`, { token });
      await expect(archive(api.db, month, late)).rejects.toThrow(/not invoiced to the account itself/);
      await api.call("POST", `/api/v1/billing/periods/${id}/invoice`, { token, body: {} });
      const before = (await api.call("GET", `/api/v1/billing/periods/${id}`, { token })).body.data;
      expect(await check(id)).toMatchObject({ archivedEvents: 0, differences: [] });

      const archived = await archive(api.db, month, late);
      expect(archived).toMatchObject({ month, eventCount: 2_345, removed: true });
      expect(await count()).toBe(3);
      expect((await api.call("GET", `/api/v1/billing/periods/${id}`, { token })).body.data).toEqual(before);
      expect(await check(id)).toMatchObject({ archivedEvents: 2_345, differences: [] });
      expect(await checkTotals(api.db)).toEqual([]);

      const packed = await readFile(archived.file);
      expect(createHash("sha256").update(packed).digest("hex")).toBe(archived.sha256);
      expect((await stat(archived.file)).mode & 0o077).toBe(0);
      const lines = gunzipSync(packed).toString().trimEnd().split("\n");
      expect(lines).toHaveLength(2_346);
      expect(lines[0]).toMatch(/^id,account_id,mode,period_id,agent_id,/);
      expect(lines[1]).toContain(`,live,${id},${agentId},,api_calls,1,key-${at.getTime()}-0,`);
      expect(lines[1]).toMatch(/,"\{""note"":""a \\""b\\"", c""\}"$/);

      const entries = await api.call("GET", "/api/v1/audit-events?operation=usage.archiveEvents", { token });
      expect(entries.body.data).toMatchObject([{ actor: "cli", resourceIds: [id] }]);
      expect(await archive(api.db, month, late)).toEqual(archived);
      expect(await readdir(directory)).toHaveLength(1);
    },
    60_000,
  );

  it("tell of what differs nevertheless", async () => {
    const at = monthOf(new Date()).start;
    await use(at, 10);
    const id = await closeAndInvoice();
    await archive(api.db, monthOf(at).name, inDays(140));
    await api.db.query("UPDATE archived_totals SET quantity = quantity - 1");
    const { differences, archivedEvents } = await check(id);
    expect(archivedEvents).toBe(10);
    expect(differences).toMatchObject([
      { kind: "events", expected: "18 in 10 events", found: "19 in 10 events" },
    ]);
  }, 60_000);

  it.each([
    ["a partition", 0],
    ["the past", -70],
  ])(
    "are neither lost nor counted twice wherever the removal from %s is stopped",
    async (_, days) => {
      const at = monthOf(inDays(days)).start;
      const month = monthOf(at).name;
      await use(at, 2_100);
      const id = await closeAndInvoice();
      const late = inDays(140);
      let stopped = 0;
      for (let stopAt = 0; ; stopAt += 1) {
        let statements = 0;
        const before = () => {
          if (statements === stopAt) throw new Error("stopped here");
          statements += 1;
        };
        try {
          await archive(stopping(api.db, before), month, late);
          break;
        } catch (error) {
          if (!(error instanceof Error) || error.message !== "stopped here") throw error;
          stopped += 1;
          expect(await checkTotals(api.db)).toEqual([]);
        }
      }
      expect(stopped).toBeGreaterThan(8);
      expect(await count()).toBe(0);
      expect(await check(id)).toMatchObject({ archivedEvents: 2_100, differences: [] });
    },
    120_000,
  );

  it("are removed once by processes that do it at the same time", async () => {
    const at = monthOf(new Date()).start;
    await use(at, 1_500);
    const id = await closeAndInvoice();
    const peers = database.name === "embedded" ? [] : [await api.startPeer(), await api.startPeer()];
    try {
      const month = monthOf(at).name;
      const done = await Promise.all([api, ...peers, api].map(({ db }) => archive(db, month, inDays(140))));
      expect(done.map(({ eventCount, removed }) => ({ eventCount, removed }))).toEqual(
        done.map(() => ({ eventCount: 1_500, removed: true })),
      );
      expect(new Set(done.map(({ file }) => file)).size).toBe(1);
      expect(await check(id)).toMatchObject({ archivedEvents: 1_500, differences: [] });
      const token = account.liveKey;
      const entries = await api.call("GET", "/api/v1/audit-events?operation=usage.archiveEvents", { token });
      expect(entries.body.data).toHaveLength(1);
    } finally {
      for (const peer of peers) await peer.close();
    }
  }, 60_000);

  it("can be exported alone", async () => {
    const at = monthOf(new Date()).start;
    await use(at, 5);
    const exported = await archive(api.db, monthOf(at).name, new Date(), { exportOnly: true });
    expect(exported).toMatchObject({ eventCount: 5, removed: false });
    expect(await count()).toBe(5);
    await expect(archive(api.db, "2026-13", new Date())).rejects.toThrow(/not a month/);
    await expect(archive(api.db, "2020-01", new Date())).rejects.toThrow(
      /No events were recorded in 2020-01/,
    );
    expect(await readdir(directory)).toHaveLength(1);
  }, 60_000);

  it("go by schedule, oldest first, those after a month that is not invoiced, too", async () => {
    await use(monthOf(inDays(-70)).start, 4);
    await closeAndInvoice();
    await use(monthOf(inDays(-40)).start, 5);
    const run = async (now: Date) => {
      const done: string[] = [];
      const left: string[] = [];
      await archiveByAge(
        api.db,
        { directory, after: 100, keysKept: 90 },
        { now, newId: () => uuidv7() },
        { archived: ({ month }) => done.push(month), left: ({ message }) => left.push(message) },
      );
      return { done, left: left.length };
    };
    const [older, newer] = [monthOf(inDays(-70)).name, monthOf(inDays(-40)).name];
    expect(await run(new Date(monthOf(inDays(-70)).end.getTime() + 99 * DAY))).toEqual({ done: [], left: 0 });
    expect(await run(inDays(200))).toMatchObject({ done: [older], left: 1 });
    await closeAndInvoice();
    expect(await run(inDays(200))).toEqual({ done: [newer], left: 0 });
    expect(await checkTotals(api.db)).toEqual([]);
  }, 60_000);
});
