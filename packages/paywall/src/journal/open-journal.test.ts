import fs from "node:fs";
import { cp, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { DeliveryOutcome, JournalFailure } from "./delivery.ts";
import type { EventBatch } from "./event-batch.ts";
import type { Journal, JournalOptions } from "./journal.ts";
import type { JournalEvent } from "./journal-event.ts";
import { openJournal } from "./open-journal.ts";

let directory: string;
const opened: Journal[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "journal-"));
});

afterEach(async () => {
  vi.restoreAllMocks();
  for (const journal of opened.splice(0)) await journal.close({ timeout: 0 });
  await rm(directory, { recursive: true, force: true });
});

let made = 0;
function event(changes: Partial<JournalEvent> = {}): JournalEvent {
  return {
    idempotencyKey: `key-${++made}`,
    timestamp: "2026-11-23T19:12:42.000Z",
    agentId: "agt_1",
    meterName: "api_calls",
    quantity: 1,
    ...changes,
  };
}

/** An API that can go away, that records each key once, and that refuses the meter `unknown`. */
function fakeApi() {
  const api = {
    away: false,
    batches: [] as (readonly JournalEvent[])[],
    recorded: new Map<string, JournalEvent>(),
    async deliver(events: readonly JournalEvent[]): Promise<DeliveryOutcome[]> {
      if (api.away) throw new Error("connect ECONNREFUSED");
      api.batches.push(events);
      return events.map((one) => {
        if (one.meterName === "unknown")
          return { status: "rejected", error: "no such meter", code: "NOT_FOUND" };
        const status = api.recorded.has(one.idempotencyKey) ? "duplicate" : "recorded";
        api.recorded.set(one.idempotencyKey, one);
        return { status };
      });
    },
  };
  return api;
}

async function open(options: Partial<JournalOptions> & Pick<JournalOptions, "deliver">): Promise<Journal> {
  const journal = await openJournal({ directory, flushInterval: 60_000, ...options });
  opened.push(journal);
  return journal;
}

/** Lets go of a journal the way a crash does: nothing is delivered, the lock is gone. */
async function crash(journal: Journal): Promise<void> {
  await journal.close({ timeout: 0 });
}

async function subJournals(): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name !== "rejected");
}

describe("delivery of the lines as they lie", () => {
  /** The same API, which is sent the body of a request. It refuses a body that is not JSON. */
  function batchApi() {
    const api = fakeApi();
    const deliverBatch = async ({ json, count }: EventBatch) => {
      const { events }: { events: JournalEvent[] } = JSON.parse(new TextDecoder().decode(json));
      expect(events).toHaveLength(count);
      return api.deliver(events);
    };
    const deliver = () => Promise.reject(new Error("deliverBatch goes before it"));
    return { api, options: { deliver, deliverBatch } };
  }

  test("keeps their order, in whole batches, and whatever is in them", async () => {
    const { api, options } = batchApi();
    const journal = await open({ ...options, batchSize: 100, segmentBytes: 5000 });
    const events = Array.from({ length: 950 }, (_, n) =>
      event({ metadata: { note: `\n"é€😀" ${n}`, "a,b": "]}" } }),
    );
    await Promise.all(events.map((one) => journal.append(one)));
    await journal.flush();
    expect(api.batches.flat()).toEqual(events);
    expect(Math.max(...api.batches.map((batch) => batch.length))).toBeLessThanOrEqual(100);
    expect(journal.state().pendingEvents).toBe(0);
  });

  test("reads back what was rejected, and keeps it with its reason", async () => {
    const { options } = batchApi();
    const failures: JournalFailure[] = [];
    const delivered: unknown[] = [];
    const journal = await open({
      ...options,
      onFailed: (failure) => failures.push(failure),
      onDelivered: ({ events, ...counts }) => delivered.push({ ...counts, events: [...events] }),
    });
    const events = [event(), event({ meterName: "unknown" }), event()];
    for (const one of events) await journal.append(one);
    await journal.flush();
    expect(failures).toMatchObject([{ reason: "rejected", event: events[1], code: "NOT_FOUND" }]);
    expect(delivered).toEqual([{ events, recorded: 2, duplicates: 0, rejected: 1 }]);
  });

  test("looks closely after a failure, so that a line whose checksum fits by chance holds up no other", async () => {
    const { api, options } = batchApi();
    const first = await open({ ...options });
    const events = [event(), event()];
    for (const one of events) await first.append(one);
    await crash(first);
    const [name = ""] = await subJournals();
    const path = join(directory, name, "00000001.log");
    const [one = "", two = ""] = (await readFile(path, "latin1")).split("\n");
    const junk = '{"no":"event"';
    const line = `${crc32(junk).toString(16).padStart(8, "0")} ${junk}`;
    await writeFile(path, `${one}\n${line}\n${two}\n`, "latin1");
    const failures: JournalFailure[] = [];
    await open({
      ...options,
      retryDelay: { first: 1, longest: 1 },
      onFailed: (failure) => failures.push(failure),
    });
    await vi.waitFor(() => expect(failures.map(({ reason }) => reason)).toEqual(["unavailable", "damaged"]));
    expect([...api.recorded.values()]).toEqual(events);
  });
});

describe("delivery", () => {
  test("what was appended is delivered by flush, as it was appended, and leaves nothing on disk", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver });
    const events = [event({ quantity: 7, metadata: { tool: "forecast" } }), event({ agentId: "agt_2" })];
    for (const one of events) await journal.append(one);
    expect(journal.state().pendingEvents).toBe(2);
    await journal.flush();
    expect(api.batches).toEqual([events]);
    expect(journal.state()).toEqual({ pendingEvents: 0, pendingBytes: 0, failedAttempts: 0 });
    await journal.close();
    expect(await readdir(directory)).toEqual([]);
  });

  test("delivers by itself after the flush interval, and a full batch without waiting for it", async () => {
    const api = fakeApi();
    const soon = await open({ deliver: api.deliver, flushInterval: 20 });
    await soon.append(event());
    await vi.waitFor(() => expect(api.recorded.size).toBe(1));
    const full = await open({ deliver: api.deliver, batchSize: 10 });
    await Promise.all(Array.from({ length: 10 }, () => full.append(event())));
    await vi.waitFor(() => expect(api.recorded.size).toBe(11));
  });

  test("keeps the order and never sends more than a batch in one request", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver, batchSize: 100, segmentBytes: 5000 });
    const events = Array.from({ length: 950 }, () => event());
    await Promise.all(events.map((one) => journal.append(one)));
    await journal.flush();
    expect(api.batches.flat()).toEqual(events);
    expect(Math.max(...api.batches.map((batch) => batch.length))).toBeLessThanOrEqual(100);
  });

  test("what is appended while a request is in flight waits for others, as everything does", async () => {
    const api = fakeApi();
    const journal = await open({
      deliver: async (events) => {
        if (api.batches.length === 0) await journal.append(event());
        return api.deliver(events);
      },
    });
    await journal.append(event());
    await journal.flush();
    expect(api.batches.map((batch) => batch.length)).toEqual([1]);
    expect(journal.state().pendingEvents).toBe(1);
  });

  test("keeps a request's body small however much metadata the events carry", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver });
    const metadata = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`k${n}`, "x".repeat(500)]));
    await Promise.all(Array.from({ length: 100 }, () => journal.append(event({ metadata }))));
    await journal.flush();
    expect(api.recorded.size).toBe(100);
    for (const batch of api.batches) expect(JSON.stringify(batch).length).toBeLessThan(1024 * 1024);
  });

  test("only the billed members reach the disk and the API", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver });
    const careless = { ...event(), token: "AGT-secret", arguments: { q: 1 } };
    await journal.append(careless);
    const [name] = await subJournals();
    const file = await readFile(join(directory, String(name), "00000001.log"), "utf8");
    expect(file).toContain(careless.idempotencyKey);
    expect(file).not.toContain("AGT-secret");
    await journal.flush();
    expect(Object.keys(api.batches[0]?.[0] ?? {}).sort()).toEqual(Object.keys(event()).sort());
  });

  test.each([
    ["quantity", { quantity: 0.5 }],
    ["quantity", { quantity: 0 }],
    ["quantity", { quantity: Number.NaN }],
    ["idempotencyKey", { idempotencyKey: "" }],
    ["bytes", { metadata: { huge: "x".repeat(70_000) } }],
  ])("refuses an event that cannot be billed, naming its %s", async (named, changes) => {
    const journal = await open({ deliver: fakeApi().deliver });
    await expect(journal.append(event(changes))).rejects.toMatchObject({
      code: "JOURNAL_INVALID_EVENT",
      message: expect.stringContaining(named),
    });
  });

  test("what the API rejects is kept in a file and reported, and holds up nothing", async () => {
    const api = fakeApi();
    const failures: JournalFailure[] = [];
    const journal = await open({ deliver: api.deliver, onFailed: (failure) => failures.push(failure) });
    const bad = event({ meterName: "unknown" });
    for (const one of [event(), bad, event()]) await journal.append(one);
    await journal.flush();
    expect(api.recorded.size).toBe(2);
    const [failure] = failures;
    if (failure?.reason !== "rejected") throw new Error("the rejection was not reported");
    expect(failure).toMatchObject({ event: bad, error: "no such meter", code: "NOT_FOUND" });
    await journal.close();
    const kept = (await readFile(failure.file, "utf8")).trimEnd().split("\n");
    expect(kept.map((line) => JSON.parse(line))).toEqual([
      { event: bad, error: "no such meter", code: "NOT_FOUND", rejectedAt: expect.any(String) },
    ]);
  });

  test("an answer that does not fit the batch counts as a failure and the batch is sent again", async () => {
    const api = fakeApi();
    let first = true;
    const journal = await open({
      deliver: async (events) => {
        const outcomes = await api.deliver(events);
        if (!first) return outcomes;
        first = false;
        return outcomes.slice(1);
      },
    });
    await journal.append(event());
    await journal.append(event());
    await expect(journal.flush()).rejects.toMatchObject({ code: "JOURNAL_DELIVERY_FAILED" });
    await journal.flush();
    expect(api.recorded.size).toBe(2);
  });

  test("a listener that throws stops nothing, and warns", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const api = fakeApi();
    const journal = await open({
      deliver: api.deliver,
      onDelivered: () => {
        throw new Error("listener");
      },
    });
    await journal.append(event());
    await journal.flush();
    expect(journal.state().pendingEvents).toBe(0);
    expect(warn).toHaveBeenCalledTimes(1);
  });
});

describe("an outage", () => {
  test("is retried with growing pauses, and ends with everything recorded once", async () => {
    const api = fakeApi();
    api.away = true;
    const pauses: number[] = [];
    const journal = await open({
      deliver: api.deliver,
      flushInterval: 1,
      retryDelay: { first: 4, longest: 40 },
      random: () => 1,
      onFailed: (failure) => failure.reason === "unavailable" && pauses.push(failure.retryIn),
    });
    await journal.append(event());
    await vi.waitFor(() => expect(pauses.length).toBeGreaterThan(5));
    expect(pauses.slice(0, 6)).toEqual([4, 8, 16, 32, 40, 40]);
    for (let n = 0; n < 50; n++) await journal.append(event());
    expect(journal.state().failedAttempts).toBeGreaterThan(0);
    api.away = false;
    await vi.waitFor(() => expect(journal.state()).toMatchObject({ pendingEvents: 0, failedAttempts: 0 }));
    expect(api.recorded.size).toBe(51);
  });

  test("appending during it sends no requests of its own", async () => {
    let calls = 0;
    const journal = await open({
      flushInterval: 1,
      retryDelay: { first: 60_000, longest: 60_000 },
      deliver: async () => {
        calls++;
        throw new Error("away");
      },
    });
    await journal.append(event());
    await vi.waitFor(() => expect(calls).toBe(1));
    for (let n = 0; n < 200; n++) await journal.append(event());
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(calls).toBe(1);
  });

  test("the pause that the API asks for is kept", async () => {
    const pauses: number[] = [];
    const journal = await open({
      deliver: () => Promise.reject(new Error("429")),
      retryAfter: () => 5000,
      onFailed: (failure) => failure.reason === "unavailable" && pauses.push(failure.retryIn),
    });
    await journal.append(event());
    await expect(journal.flush()).rejects.toThrow("429");
    expect(pauses).toEqual([5000]);
  });

  test.each([
    ["more than a timer can hold", 3_000_000_000],
    ["a day", 86_400_000],
    ["for ever", Number.POSITIVE_INFINITY],
  ])("a pause of %s is waited for five minutes, and is over with the next flush", async (_, retryAfter) => {
    const api = fakeApi();
    const pauses: number[] = [];
    const timers = vi.spyOn(globalThis, "setTimeout");
    const journal = await open({
      deliver: (events) => (pauses.length === 0 ? Promise.reject(new Error("429")) : api.deliver(events)),
      retryAfter: () => retryAfter,
      onFailed: (failure) => failure.reason === "unavailable" && pauses.push(failure.retryIn),
    });
    await journal.append(event());
    await expect(journal.flush()).rejects.toThrow("429");
    expect(pauses).toEqual([300_000]);
    expect(Math.max(...timers.mock.calls.map(([, delay = 0]) => delay))).toBeLessThan(2 ** 31);
    await journal.flush();
    expect(api.recorded.size).toBe(1);
    expect(journal.state().failedAttempts).toBe(0);
  });

  test("a flushInterval longer than a timer can hold does not deliver at once", async () => {
    const timers = vi.spyOn(globalThis, "setTimeout");
    const journal = await open({ deliver: fakeApi().deliver, flushInterval: 3_000_000_000 });
    await journal.append(event());
    expect(timers.mock.calls.map(([, delay]) => delay)).toContain(2 ** 31 - 1);
  });

  test("a delivery that never ends is given up after its time limit", async () => {
    const signals: AbortSignal[] = [];
    const journal = await open({
      deliveryTimeout: 20,
      deliver: (_, { signal }) => {
        signals.push(signal);
        return new Promise(() => {});
      },
    });
    await journal.append(event());
    await expect(journal.flush()).rejects.toThrow("no answer within 20 ms");
    expect(signals[0]?.aborted).toBe(true);
  });

  test("over maxBytes append refuses clearly, and takes events again after delivery", async () => {
    const api = fakeApi();
    api.away = true;
    const journal = await open({ deliver: api.deliver, maxBytes: 64 * 1024 });
    let taken = 0;
    const fill = async () => {
      for (;;) {
        await journal.append(event());
        taken++;
      }
    };
    await expect(fill()).rejects.toMatchObject({ code: "JOURNAL_FULL" });
    expect(journal.state().pendingBytes).toBeLessThanOrEqual(64 * 1024);
    api.away = false;
    await journal.flush();
    expect(api.recorded.size).toBe(taken);
    await journal.append(event());
  });
});

describe("restart", () => {
  test("what was not delivered is delivered by the next process under the same keys", async () => {
    const api = fakeApi();
    api.away = true;
    const events = [event(), event(), event()];
    const before = await open({ deliver: api.deliver });
    for (const one of events) await before.append(one);
    await crash(before);
    api.away = false;
    const after = await open({ deliver: api.deliver });
    expect(after.state().pendingEvents).toBe(3);
    await after.flush();
    expect(api.batches.flat()).toEqual(events);
    await after.close();
    expect(await readdir(directory)).toEqual([]);
  });

  test("what was delivered is not sent again", async () => {
    const api = fakeApi();
    const before = await open({ deliver: api.deliver, batchSize: 2 });
    const events = Array.from({ length: 5 }, () => event());
    for (const one of events.slice(0, 4)) await before.append(one);
    await before.flush();
    api.away = true;
    for (const one of events.slice(4)) await before.append(one);
    await crash(before);
    api.away = false;
    const after = await open({ deliver: api.deliver });
    await after.flush();
    expect(api.batches.flat()).toEqual(events);
  });

  test("a batch whose answer was lost is sent again and counts once", async () => {
    const api = fakeApi();
    const before = await open({
      deliver: async (events) => {
        await api.deliver(events);
        throw new Error("socket hang up");
      },
    });
    await before.append(event());
    await expect(before.flush()).rejects.toThrow("socket hang up");
    await crash(before);
    const delivered: number[] = [];
    const after = await open({
      deliver: api.deliver,
      onDelivered: ({ duplicates }) => delivered.push(duplicates),
    });
    await after.flush();
    expect(api.recorded.size).toBe(1);
    expect(delivered).toEqual([1]);
  });

  test("a journal in use is left alone, and taken over as soon as it is let go of", async () => {
    const api = fakeApi();
    const away = { deliver: () => Promise.reject(new Error("away")) };
    const living = await open(away);
    await living.append(event());
    const other = await open({ deliver: api.deliver, adoptInterval: 10 });
    await other.flush();
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(api.recorded.size).toBe(0);
    await crash(living);
    await vi.waitFor(() => expect(api.recorded.size).toBe(1));
  });

  test("journals that open and close all the time in one directory never remove one another's events", async () => {
    const api = fakeApi();
    let appended = 0;
    async function liveShortly(): Promise<void> {
      const journal = await open({ deliver: api.deliver, adoptInterval: 1 });
      for (let n = 0; n < 3; n++) {
        await journal.append(event());
        appended++;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(await journal.close()).toMatchObject({ pendingEvents: 0 });
    }
    for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 10 }, liveShortly));
    expect(api.recorded.size).toBe(appended);
    expect(await readdir(directory)).toEqual([]);
  });

  test("damage in a file is kept and reported, and the events around it are delivered", async () => {
    const api = fakeApi();
    const before = await open({ deliver: () => Promise.reject(new Error("away")) });
    const events = [event(), event(), event()];
    for (const one of events) await before.append(one);
    await crash(before);
    const [name] = await subJournals();
    const path = join(directory, String(name), "00000001.log");
    const bytes = await readFile(path);
    const second = bytes.indexOf("\n") + 1;
    bytes.write("9", bytes.indexOf('"quantity":1', second) + '"quantity":'.length);
    await writeFile(path, bytes);
    const failures: JournalFailure[] = [];
    const after = await open({ deliver: api.deliver, onFailed: (failure) => failures.push(failure) });
    await after.flush();
    expect(api.batches.flat()).toEqual([events[0], events[2]]);
    expect(failures).toEqual([
      { reason: "damaged", file: path, offset: second, length: bytes.indexOf("\n", second) + 1 - second },
    ]);
    const kept = await readFile(join(directory, "rejected", `${name}.jsonl`), "utf8");
    expect(Buffer.from(JSON.parse(kept).damaged, "base64").toString()).toContain('"quantity":9');
  });

  test("a segment that somebody deleted is reported and does not hold up later ones", async () => {
    const api = fakeApi();
    const failures: JournalFailure[] = [];
    const journal = await open({
      deliver: api.deliver,
      segmentBytes: 1,
      onFailed: (one) => failures.push(one),
    });
    for (let n = 0; n < 3; n++) await journal.append(event());
    const [name] = await subJournals();
    await rm(join(directory, String(name), "00000001.log"));
    await journal.flush();
    expect(api.recorded.size).toBe(2);
    expect(failures).toMatchObject([{ reason: "damaged", offset: 0 }]);
    expect(journal.state()).toEqual({ pendingEvents: 0, pendingBytes: 0, failedAttempts: 0 });
  });

  test("a segment that somebody cut short is reported, and what is left of it is delivered", async () => {
    const api = fakeApi();
    const failures: JournalFailure[] = [];
    const journal = await open({ deliver: api.deliver, onFailed: (one) => failures.push(one) });
    const events = [event(), event(), event()];
    for (const one of events) await journal.append(one);
    const [name] = await subJournals();
    const file = join(directory, String(name), "00000001.log");
    const bytes = await readFile(file);
    const second = bytes.indexOf("\n") + 1;
    await truncate(file, second + 20);
    await journal.flush();
    expect(api.batches.flat()).toEqual(events.slice(0, 1));
    expect(failures).toEqual([{ reason: "damaged", file, offset: second, length: bytes.length - second }]);
    expect(journal.state()).toEqual({ pendingEvents: 0, pendingBytes: 0, failedAttempts: 0 });
    await journal.append(event());
    await journal.flush();
    expect(api.recorded.size).toBe(2);
  });

  test("an unreadable position only means that events are sent again", async () => {
    const api = fakeApi();
    const before = await open({ deliver: api.deliver });
    await before.append(event());
    await before.flush();
    api.away = true;
    await before.append(event());
    await crash(before);
    api.away = false;
    const [name] = await subJournals();
    await truncate(join(directory, String(name), "delivered"), 5);
    const after = await open({ deliver: api.deliver });
    await after.flush();
    expect(api.recorded.size).toBe(2);
    expect(api.batches.flat()).toHaveLength(3);
  });
});

describe("close", () => {
  test("delivers what is left, and takes no more events", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver });
    const last = journal.append(event());
    expect(await journal.close()).toMatchObject({ pendingEvents: 0 });
    await last;
    expect(api.recorded.size).toBe(1);
    await expect(journal.append(event())).rejects.toMatchObject({ code: "JOURNAL_CLOSED" });
  });

  test("tries again while time is left", async () => {
    const api = fakeApi();
    let calls = 0;
    const journal = await open({
      retryDelay: { first: 1, longest: 5 },
      deliver: (events) => (++calls < 4 ? Promise.reject(new Error("away")) : api.deliver(events)),
    });
    await journal.append(event());
    expect(await journal.close()).toMatchObject({ pendingEvents: 0 });
    expect(api.recorded.size).toBe(1);
  });

  test("gives up in time with an API that hangs, says what is left, and leaves it for the next start", async () => {
    const journal = await open({ deliver: () => new Promise(() => {}) });
    await journal.append(event());
    expect(await journal.close({ timeout: 20 })).toMatchObject({ pendingEvents: 1 });
    const api = fakeApi();
    await (await open({ deliver: api.deliver })).close();
    expect(api.recorded.size).toBe(1);
  });

  test("may be called twice", async () => {
    const journal = await open({ deliver: fakeApi().deliver });
    expect(await Promise.all([journal.close(), journal.close()])).toHaveLength(2);
  });
});

describe("a disk that refuses", () => {
  test("append rejects, what a partial write left is cut, and a later append works", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver });
    const kept = event();
    await journal.append(kept);
    const write = fs.writeSync.bind(fs);
    let calls = 0;
    vi.spyOn(fs, "writeSync").mockImplementation((file: number, data: unknown, ...rest: unknown[]) => {
      // The disk takes a part of the line, as a full one does, and then nothing.
      if (++calls > 1) throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
      if (!Buffer.isBuffer(data)) throw new TypeError("unexpected write");
      return write(file, data, Number(rest[0]), 20, Number(rest[2]));
    });
    await expect(journal.append(event())).rejects.toMatchObject({
      code: "JOURNAL_WRITE_FAILED",
      message: expect.stringContaining("no space left on device"),
      cause: { code: "ENOSPC" },
    });
    vi.restoreAllMocks();
    const later = event();
    await journal.append(later);
    await journal.flush();
    expect(api.batches.flat()).toEqual([kept, later]);
  });

  test("what append refused is not delivered by the next process either", async () => {
    const journal = await open({ deliver: () => Promise.reject(new Error("away")) });
    const kept = event();
    await journal.append(kept);
    const write = fs.writeSync.bind(fs);
    vi.spyOn(fs, "writeSync").mockImplementationOnce((file: number, data: unknown, ...rest: unknown[]) => {
      // Everything reached the file, and yet the disk says no.
      if (Buffer.isBuffer(data)) write(file, data, 0, data.length, Number(rest[2]));
      throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
    });
    await expect(journal.append(event())).rejects.toMatchObject({ code: "JOURNAL_WRITE_FAILED" });
    await crash(journal);
    const api = fakeApi();
    await (await open({ deliver: api.deliver })).close();
    expect(api.batches.flat()).toEqual([kept]);
  });

  test("where even cutting fails, append rejects until it succeeds, and nothing refused is delivered", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver });
    const error = Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
    const write = fs.writeSync.bind(fs);
    vi.spyOn(fs, "writeSync").mockImplementationOnce((file: number, data: unknown) => {
      if (Buffer.isBuffer(data)) write(file, data, 0, data.length, 0);
      throw error;
    });
    const cut = vi.spyOn(fs, "ftruncateSync").mockImplementation(() => {
      throw error;
    });
    await expect(journal.append(event())).rejects.toMatchObject({ code: "JOURNAL_WRITE_FAILED" });
    await expect(journal.append(event())).rejects.toMatchObject({ code: "JOURNAL_WRITE_FAILED" });
    await journal.flush();
    expect(api.recorded.size).toBe(0);
    cut.mockRestore();
    const later = event();
    await journal.append(later);
    await journal.flush();
    expect(api.batches.flat()).toEqual([later]);
  });

  test("where a rejected event cannot be kept, the batch is not taken for delivered", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver });
    await writeFile(join(directory, "rejected"), "a file where the folder should be");
    await journal.append(event({ meterName: "unknown" }));
    await expect(journal.flush()).rejects.toMatchObject({ code: "JOURNAL_DELIVERY_FAILED" });
    expect(journal.state().pendingEvents).toBe(1);
    await rm(join(directory, "rejected"));
    await journal.flush();
    expect(journal.state().pendingEvents).toBe(0);
    expect(await readdir(join(directory, "rejected"))).toHaveLength(1);
  });
});

describe("with durability disk", () => {
  /** Holds up the next flush to disk until it is told how that ends. */
  function heldSync() {
    let end = (_: Error | null) => {};
    const begun = new Promise<void>((resolve) => {
      vi.spyOn(fs, "fdatasync").mockImplementationOnce((_, callback) => {
        end = callback;
        resolve();
      });
    });
    return { begun, end: (error: Error | null = null) => end(error) };
  }

  test("an append waits for the flush to disk", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver, durability: "disk" });
    const sync = heldSync();
    let isTaken = false;
    const appended = journal.append(event()).then(() => {
      isTaken = true;
    });
    await sync.begun;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(isTaken).toBe(false);
    expect(journal.state().pendingEvents).toBe(0);
    sync.end();
    await appended;
    await journal.flush();
    expect(api.recorded.size).toBe(1);
  });

  test("many appends share a flush, and each is delivered", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver, durability: "disk" });
    const syncs = vi.spyOn(fs, "fdatasync");
    await Promise.all(Array.from({ length: 20 }, () => journal.append(event())));
    await journal.flush();
    expect(syncs).toHaveBeenCalledTimes(1);
    expect(api.recorded.size).toBe(20);
  });

  test("what the disk did not confirm is refused, and delivered neither by this process nor by the next", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver, durability: "disk" });
    const [kept, later] = [event(), event()];
    await journal.append(kept);
    const sync = heldSync();
    const refused = journal.append(event());
    await sync.begun;
    sync.end(Object.assign(new Error("EIO: i/o error"), { code: "EIO" }));
    await expect(refused).rejects.toMatchObject({ code: "JOURNAL_WRITE_FAILED", cause: { code: "EIO" } });
    await journal.append(later);
    await crash(journal);
    await (await open({ deliver: api.deliver })).close();
    expect(api.batches.flat()).toEqual([kept, later]);
  });

  test.each(["process", "disk"] as const)(
    "what comes after somebody deleted the directory is refused, or delivered: %s",
    async (durability) => {
      const api = fakeApi();
      const journal = await open({ deliver: api.deliver, durability });
      await journal.append(event());
      await rm(directory, { recursive: true });
      const acknowledged: string[] = [];
      for (let n = 0; n < 5; n++) {
        const next = event();
        await journal.append(next).then(
          () => acknowledged.push(next.idempotencyKey),
          () => undefined,
        );
      }
      await journal.flush().catch(() => undefined);
      expect([...api.recorded.keys()]).toEqual(expect.arrayContaining(acknowledged));
    },
  );

  describe.each(["process", "disk"] as const)(
    "a directory that is moved while it is in use: %s",
    (durability) => {
      let moved: string;
      beforeEach(() => {
        moved = `${directory}-moved`;
      });
      afterEach(() => rm(moved, { recursive: true, force: true }));

      test("takes nothing until it is back, and loses nothing that it took", async () => {
        const api = fakeApi();
        const failures: JournalFailure[] = [];
        const journal = await open({
          deliver: api.deliver,
          durability,
          adoptInterval: 5,
          onFailed: (one) => failures.push(one),
        });
        const taken = [event(), event()];
        for (const one of taken) await journal.append(one);
        await rename(directory, moved);
        await expect(journal.append(event())).rejects.toMatchObject({
          code: "JOURNAL_WRITE_FAILED",
          message: expect.stringMatching(
            /was moved while it is in use: put it back, or restart with its new place/,
          ),
        });
        await expect(journal.flush()).rejects.toThrow(/was moved while it is in use/);
        await vi.waitFor(() => expect(failures.length).toBeGreaterThan(2));
        for (const failure of failures)
          expect(failure).toMatchObject({
            reason: "disk",
            error: { message: expect.stringContaining("was moved while it is in use") },
          });
        expect(journal.state()).toMatchObject({ pendingEvents: 2 });

        await rename(moved, directory);
        taken.push(event());
        for (const one of taken.slice(2)) await journal.append(one);
        await journal.flush();
        expect(api.batches.flat()).toEqual(taken);
        expect(await journal.close()).toMatchObject({ pendingEvents: 0 });
        expect(await readdir(directory)).toEqual([]);
      });

      test("is delivered from its new place by the next process, each event once", async () => {
        const api = fakeApi();
        const journal = await open({ deliver: api.deliver, durability });
        const taken = [event(), event(), event()];
        for (const one of taken.slice(0, 2)) await journal.append(one);
        await journal.flush();
        for (const one of taken.slice(2)) await journal.append(one);
        await rename(directory, moved);
        const early = await open({ deliver: api.deliver, directory: moved });
        await early.close();
        // The lock went with it: nobody else delivers what is in use.
        expect(api.batches.flat()).toEqual(taken.slice(0, 2));
        await crash(journal);
        const next = await open({ deliver: api.deliver, directory: moved });
        expect(await next.close()).toMatchObject({ pendingEvents: 0 });
        expect(api.batches.flat()).toEqual(taken);
        expect(await readdir(moved)).toEqual([]);
      });
    },
  );

  test("what an orphan holds is kept where the directory is moved before it is delivered", async () => {
    const api = fakeApi();
    api.away = true;
    const before = await open({ deliver: api.deliver });
    const taken = event();
    await before.append(taken);
    await crash(before);
    const failures: JournalFailure[] = [];
    const journal = await open({ deliver: api.deliver, onFailed: (one) => failures.push(one) });
    await rename(directory, `${directory}-moved`);
    api.away = false;
    await expect(journal.flush()).rejects.toThrow(/was moved while it is in use/);
    expect(failures.filter(({ reason }) => reason === "damaged")).toEqual([]);
    await rename(`${directory}-moved`, directory);
    await journal.flush();
    expect(api.batches.flat()).toEqual([taken]);
  });

  test("a copy of a directory in use is delivered beside it under the same keys", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver });
    const taken = [event(), event()];
    for (const one of taken) await journal.append(one);
    const copy = `${directory}-copy`;
    await cp(directory, copy, { recursive: true });
    const other = await open({ deliver: api.deliver, directory: copy });
    expect(await other.close()).toMatchObject({ pendingEvents: 0 });
    await journal.flush();
    expect([...api.recorded.values()]).toEqual(taken);
    expect(api.batches).toHaveLength(2);
    await rm(copy, { recursive: true });
  });

  test("what went to a file that somebody deleted meanwhile is refused", async () => {
    const api = fakeApi();
    api.away = true;
    const failures: JournalFailure[] = [];
    const journal = await open({
      deliver: api.deliver,
      durability: "disk",
      flushInterval: 1,
      retryDelay: { first: 1, longest: 5 },
      onFailed: (one) => failures.push(one),
    });
    await journal.append(event());
    const sync = heldSync();
    const lost = journal.append(event());
    await sync.begun;
    const [name] = await subJournals();
    await rm(join(directory, String(name), "00000001.log"));
    await vi.waitFor(() => expect(failures).toContainEqual(expect.objectContaining({ reason: "damaged" })));
    sync.end();
    await expect(lost).rejects.toMatchObject({ code: "JOURNAL_WRITE_FAILED" });
    api.away = false;
    const later = event();
    await journal.append(later);
    await journal.flush();
    expect(api.batches.flat()).toEqual([later]);
  });

  test("close waits for an append that is in progress, and delivers it", async () => {
    const api = fakeApi();
    const journal = await open({ deliver: api.deliver, durability: "disk" });
    const sync = heldSync();
    const last = journal.append(event());
    await sync.begun;
    const closed = journal.close();
    await expect(journal.append(event())).rejects.toMatchObject({ code: "JOURNAL_CLOSED" });
    sync.end();
    await last;
    expect(await closed).toMatchObject({ pendingEvents: 0 });
    expect(api.recorded.size).toBe(1);
  });
});

test.skipIf(process.platform === "win32")("files are for their owner alone", async () => {
  const api = fakeApi();
  const fresh = join(directory, "nested", "usage");
  const journal = await open({ directory: fresh, deliver: api.deliver });
  await journal.append(event({ meterName: "unknown" }));
  await journal.append(event());
  await journal.flush();
  const entries = await readdir(fresh, { recursive: true });
  expect(entries.length).toBeGreaterThanOrEqual(6);
  for (const entry of ["", ...entries]) {
    const found = await stat(join(fresh, entry));
    expect([entry, (found.mode & 0o777).toString(8)]).toEqual([entry, found.isDirectory() ? "700" : "600"]);
  }
});

test.each([{ batchSize: 0 }, { batchSize: 1001 }, { maxBytes: 10 }])(
  "refuses options that make no sense: %o",
  async (options) => {
    await expect(open({ deliver: fakeApi().deliver, ...options })).rejects.toMatchObject({
      code: "JOURNAL_UNSUPPORTED",
    });
  },
);
