import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { v7 as uuidv7 } from "uuid";
import { afterEach, describe, expect, it } from "vitest";
import { createAccount, getEnvironmentId } from "../src/accounts/accounts.ts";
import { openPeriod } from "../src/billing/open-period.ts";
import { checkTotals } from "../src/metering/check-totals.ts";
import { createRecorder } from "../src/metering/recorder.ts";
import { listUsageEvents } from "../src/metering/usage-events.ts";
import { createIds } from "../src/new-ids.ts";
import { type Database, DatabaseUnavailableError, type Queryable } from "../src/store/database.ts";
import { openEmbeddedDatabase } from "../src/store/embedded.ts";
import { indexPastByAgent, makePartitions, prepareEvents } from "../src/store/event-partitions.ts";
import { guardDatabase } from "../src/store/guard-database.ts";
import { migrate } from "../src/store/migrate.ts";
import { leastId, monthOf } from "../src/store/month.ts";
import { type DatabaseLocation, openDatabase } from "../src/store/open-database.ts";
import { openPostgres } from "../src/store/postgres.ts";
import { describeOnEachDatabase, describeOnPostgres, type TestDatabase } from "./support/databases.ts";
import { recordAsBefore } from "./support/record-as-before.ts";
import { spawnServer } from "./support/server-process.ts";
import { stopping } from "./support/stopping.ts";
import { until } from "./support/until.ts";

/** The schema of the version before partitions. */
const BEFORE = 8;
const DAY = 86_400_000;

interface Target {
  readonly environmentId: string;
  readonly agentId: string;
}

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function place(database: TestDatabase): Promise<DatabaseLocation> {
  const { location, remove } = await database.create();
  closing.push(remove);
  return location;
}

async function openBefore(location: DatabaseLocation): Promise<Database> {
  const db = guardDatabase(
    "databaseUrl" in location
      ? await openPostgres(location.databaseUrl)
      : await openEmbeddedDatabase(location.dataDirectory),
  );
  await migrate(db, BEFORE);
  return db;
}

async function open(location: DatabaseLocation): Promise<Database> {
  const db = await openDatabase(location);
  closing.push(() => db.close());
  return db;
}

async function makeTarget(db: Database): Promise<Target> {
  const making = { newId: () => uuidv7(), now: new Date() };
  const { id } = await createAccount(db, { name: "Acme" }, making);
  const environmentId = await getEnvironmentId(db, id, "test");
  const agentId = uuidv7();
  await db.query(
    `INSERT INTO agents (id, environment_id, name, status, metadata, created_at, updated_at)
     VALUES ($1, $2, 'bot', 'active', '{}', now(), now())`,
    [agentId, environmentId],
  );
  await db.transaction((tx) => openPeriod(tx, environmentId, making));
  return { environmentId, agentId };
}

/** A database of the version before, with so many events, each second one with a key. */
async function fillBefore(location: DatabaseLocation, events: number): Promise<Target> {
  const db = await openBefore(location);
  try {
    const target = await makeTarget(db);
    for (let index = 0; index < events; index += 1) {
      const key = index % 2 === 0 ? null : `before-${index}`;
      await recordAsBefore(db, { ...target, key, quantity: 1 + (index % 7) });
    }
    return target;
  } finally {
    await db.close();
  }
}

async function sums(db: Queryable, table: "usage_events" | "metered_events") {
  const [sum] = await db.query<{ count: number; quantity: string; ids: string }>(
    `SELECT count(*) AS count, sum(quantity)::text AS quantity, md5(string_agg(id::text, ',' ORDER BY id)) AS ids
     FROM ${table}`,
  );
  return sum;
}

/** Records as this version does, as one process; answers the event's id. */
function recorderOn(db: Database, newId: () => string = () => uuidv7()) {
  const record = createRecorder({ db, now: () => new Date(), newId });
  return async ({ environmentId, agentId }: Target, key: string | null, quantity = 1) => {
    const { event, duplicate } = await record({
      ...{ id: newId(), environmentId, agentId, meterName: "api_calls", quantity, byAgent: true },
      ...{ idempotencyKey: key, occurredAt: null, metadata: null },
    });
    return { id: event.id, duplicate };
  };
}

describeOnEachDatabase("a database of the version before, on $name", (database) => {
  it("becomes the partition of the past, wherever the process that does it is stopped", async () => {
    const location = await place(database);
    await fillBefore(location, 60);
    const before = await openBefore(location);
    closing.push(() => before.close());
    const had = await sums(before, "usage_events");
    await migrate(before);

    let statements = 0;
    for (let stopAt = 0; ; stopAt += 1) {
      statements = 0;
      const count = () => {
        if (statements === stopAt) throw new Error("stopped here");
        statements += 1;
      };
      const stopped = await prepareEvents(stopping(before, count)).then(
        () => false,
        (error: Error) => {
          if (error.message !== "stopped here") throw error;
          return true;
        },
      );
      if (!stopped) break;
    }
    expect(await sums(before, "metered_events")).toEqual(had);
    expect(await checkTotals(before)).toEqual([]);
    const past = await before.query(
      "SELECT relispartition FROM pg_class WHERE relname = 'usage_events_agent'",
    );
    expect(past).toEqual([{ relispartition: true }]);
  }, 120_000);

  it("has every event once after processes that were killed while they opened it", async () => {
    const location = await place(database);
    const target = await fillBefore(location, 200);
    const before = await openBefore(location);
    const had = await sums(before, "usage_events");
    await before.close();

    for (const after of [100, 400, 700, 1_000, 1_300]) {
      const child = spawnServer(location);
      await sleep(after);
      await child.kill();
    }
    const db = await open(location);
    expect(await sums(db, "metered_events")).toEqual(had);
    expect(await checkTotals(db)).toEqual([]);
    const record = recorderOn(db);
    expect(await record(target, "before-1", 2)).toMatchObject({ duplicate: true });
    expect(await record(target, "after", 2)).toMatchObject({ duplicate: false });
    expect(await record(target, "after", 2)).toMatchObject({ duplicate: true });
    expect(await checkTotals(db)).toEqual([]);
  }, 120_000);

  it("keeps what a clock that was far ahead has recorded", async () => {
    const location = await place(database);
    const target = await fillBefore(location, 3);
    const before = await openBefore(location);
    const far = leastId(new Date(Date.now() + 400 * DAY));
    await recordAsBefore(before, { ...target, key: "far", quantity: 5, id: far });
    const had = await sums(before, "usage_events");
    await before.close();
    const db = await open(location);
    expect(await sums(db, "metered_events")).toEqual(had);
    expect(await recorderOn(db)(target, "far", 5)).toEqual({ id: far, duplicate: true });
    expect(await checkTotals(db)).toEqual([]);
  }, 60_000);

  it("knows a key of the past in the months after it", async () => {
    const location = await place(database);
    const target = await fillBefore(location, 4);
    const db = await open(location);
    let time = Date.now();
    const record = recorderOn(db, () => uuidv7({ msecs: time }));
    const first = await record(target, "over the year");
    for (const days of [0, 40, 70, 100, 400]) {
      time = Date.now() + days * DAY;
      expect(await record(target, "before-1", 2)).toMatchObject({ duplicate: true });
      expect(await record(target, "over the year")).toEqual({ ...first, duplicate: true });
      const fresh = await record(target, `after-${days}`);
      expect(await record(target, `after-${days}`)).toEqual({ ...fresh, duplicate: true });
    }
    const partitions = await db.query<{ name: string }>(
      "SELECT DISTINCT tableoid::regclass::text AS name FROM metered_events",
    );
    expect(partitions.length).toBeGreaterThanOrEqual(4);
    expect(await checkTotals(db)).toEqual([]);
  }, 60_000);
});

describeOnEachDatabase("events in partitions on $name", (database) => {
  it("need no partition to be recorded, and move into theirs when it is made", async () => {
    const db = await open(await place(database));
    const target = await makeTarget(db);
    const then = new Date(Date.now() + 200 * DAY);
    const record = recorderOn(
      db,
      createIds(randomBytes, () => then.getTime()),
    );
    const made = await record(target, "early");
    const where = () =>
      db.query("SELECT tableoid::regclass::text AS name FROM metered_events WHERE id = $1", [made.id]);
    expect(await where()).toEqual([{ name: "metered_events_other" }]);
    await makePartitions(db, then);
    expect(await where()).toEqual([{ name: `metered_events_${monthOf(then).name.replace("-", "_")}` }]);
    expect(await record(target, "early")).toEqual({ ...made, duplicate: true });
    const other = await record(target, "later");
    const page = await listUsageEvents(db, target.environmentId, { agentId: target.agentId, limit: 10 });
    expect(page.data.map(({ id }) => id)).toEqual([other.id, made.id]);
  }, 60_000);

  it("have the agent in each unique key, so that they can be distributed by it", async () => {
    const db = await open(await place(database));
    const keys = await db.query<{ table: string; columns: string[] }>(
      `SELECT c.relname AS table, array_agg(a.attname::text ORDER BY a.attnum) AS columns
       FROM pg_index i
       JOIN pg_class c ON c.oid = i.indrelid
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
       WHERE i.indisunique AND (c.relname ~ '^metered_events'
         OR c.relname IN ('adjustments', 'usage_events', 'usage_event_keys', 'usage_totals'))
       GROUP BY c.relname, i.indexrelid`,
    );
    expect(new Set(keys.map(({ table }) => table)).size).toBeGreaterThan(7);
    expect(keys.filter(({ columns }) => !columns.includes("agent_id"))).toEqual([]);
  }, 60_000);

  it("are recorded once where a batch has one key twice", async () => {
    const db = await open(await place(database));
    const target = await makeTarget(db);
    const record = recorderOn(db);
    const all = await Promise.all(
      Array.from({ length: 40 }, (_, index) => record(target, `key-${index % 4}`)),
    );
    expect(new Set(all.map(({ id }) => id)).size).toBe(4);
    expect(all.filter(({ duplicate }) => !duplicate)).toHaveLength(4);
    expect(await checkTotals(db)).toEqual([]);
  }, 60_000);
});

describeOnPostgres("servers of the version before, beside this one, on $name", (database) => {
  it("go on while it takes the database over, and both know each other's keys", async () => {
    const location = await place(database);
    const target = await fillBefore(location, 20);
    const before = await openBefore(location);
    closing.push(() => before.close());

    let running = true;
    const ids: string[] = [];
    const load = (async () => {
      for (let index = 0; running; index += 1) {
        ids.push(await recordAsBefore(before, { ...target, key: `load-${index}`, quantity: 1 }));
      }
    })();
    // Not at once, so that it is made while both are at work.
    const unprepared = await openBefore(location);
    await migrate(unprepared);
    await prepareEvents(unprepared, new Date(), 0);
    // As the schedule does: where the tables are in use for too long, the next round makes it.
    await until("the index of the past", async () => {
      try {
        await indexPastByAgent(unprepared);
        return true;
      } catch (error) {
        if (error instanceof DatabaseUnavailableError) return false;
        throw error;
      }
    });
    await unprepared.close();
    const db = await open(location);
    const record = recorderOn(db);
    for (let round = 0; round < 30; round += 1) {
      const key = `both-${round}`;
      const [ours, theirs, again] = await Promise.all([
        record(target, key),
        recordAsBefore(before, { ...target, key, quantity: 1 }),
        record(target, key),
      ]);
      expect(theirs).toBe(ours.id);
      expect(again.id).toBe(ours.id);
      expect(await recordAsBefore(before, { ...target, key, quantity: 1 })).toBe(ours.id);
      expect(await record(target, key)).toEqual({ id: ours.id, duplicate: true });
    }
    running = false;
    await load;

    expect(ids.length).toBeGreaterThan(20);
    expect(await record(target, "load-0")).toEqual({ id: ids[0], duplicate: true });
    const ours = await record(target, randomUUID());
    const seen = await before.query("SELECT quantity FROM usage_events WHERE id = $1", [ours.id]);
    expect(seen).toEqual([{ quantity: 1 }]);
    expect(await sums(db, "metered_events")).toEqual(await sums(before, "usage_events"));

    // By then they are away, as far as a client can see: it tries again, and loses nothing.
    const id = leastId(monthOf(new Date(), 2).start);
    const late = recordAsBefore(before, { ...target, key: "late", quantity: 1, id });
    await expect(late).rejects.toMatchObject({ name: "DatabaseUnavailableError", reason: "unreachable" });
    expect(await record(target, "late")).toMatchObject({ duplicate: false });
    expect(await checkTotals(db)).toEqual([]);
  }, 60_000);
});

describeOnPostgres("an index of the past that was broken off, on $name", (database) => {
  it("is made anew", async () => {
    const location = await place(database);
    await fillBefore(location, 5);
    const db = await openBefore(location);
    closing.push(() => db.close());
    await migrate(db);
    await prepareEvents(db, new Date(), 0);
    await db.query("CREATE UNIQUE INDEX usage_events_agent ON usage_events (agent_id, id)");
    await db.query(
      "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'usage_events_agent'::regclass",
    );
    // Each is a process of its own; a pool has connections for two statements at once and more.
    const others = await Promise.all([openBefore(location), openBefore(location)]);
    closing.push(...others.map((other) => () => other.close()));
    await Promise.all([db, ...others].map(indexPastByAgent));
    const made = await db.query(
      `SELECT i.indisvalid AS valid, c.relispartition AS attached FROM pg_index i
       JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = 'usage_events_agent'`,
    );
    expect(made).toEqual([{ valid: true, attached: true }]);
  }, 60_000);
});

describe("months", () => {
  it("begin with the least id of their first moment", () => {
    const { name, start, end } = monthOf(new Date("2026-12-31T23:59:59.999Z"));
    expect({ name, end: end.toISOString() }).toEqual({ name: "2026-12", end: "2027-01-01T00:00:00.000Z" });
    expect(leastId(start) < uuidv7({ msecs: start.getTime() })).toBe(true);
    expect(leastId(end) > uuidv7({ msecs: end.getTime() - 1 })).toBe(true);
    expect(monthOf(new Date("2026-11-30T00:00:00Z"), 2).name).toBe("2027-01");
  });
});
