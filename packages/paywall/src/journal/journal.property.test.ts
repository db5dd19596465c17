import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JournalEvent } from "./journal-event.ts";
import { encodeLine } from "./line.ts";
import { openJournal } from "./open-journal.ts";
import { readBatch } from "./read-batch.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "journal-property-"));
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

const text = fc.string({ minLength: 1, maxLength: 30, unit: "binary" });
const events = (maxLength: number) =>
  fc.uniqueArray(
    fc.record({
      idempotencyKey: text,
      timestamp: fc.constant("2026-11-23T19:12:42.000Z"),
      agentId: text,
      meterName: text,
      quantity: fc.integer({ min: 1, max: 1_000_000_000 }),
    }),
    { minLength: 1, maxLength, selector: (event) => event.idempotencyKey },
  );

async function readAll(path: string, end: number, limits: { maxEvents: number; isStrict: boolean }) {
  const read: JournalEvent[] = [];
  const damaged: number[] = [];
  let lines = 0;
  for (let offset = 0; offset < end; ) {
    const batch = await readBatch(path, offset, { ...limits, end, maxBytes: 128 * 1024 });
    expect(batch.next).toBeGreaterThan(offset);
    expect(batch.events()).toHaveLength(batch.count);
    read.push(...batch.events());
    damaged.push(...batch.damage.map((one) => one.offset));
    lines += batch.lines;
    offset = batch.next;
  }
  return { read, damaged, lines };
}

test("cut at any byte, a segment gives exactly the events that lie before the cut, and no damage", async () => {
  const path = join(directory, "torn.log");
  await fc.assert(
    fc.asyncProperty(events(4), fc.integer({ min: 1, max: 5 }), async (all, maxEvents) => {
      const lines = all.map((event) => encodeLine(event));
      const bytes = Buffer.concat(lines);
      const ends = lines.map((_, index) => Buffer.concat(lines.slice(0, index + 1)).length);
      for (let cut = 0; cut <= bytes.length; cut++) {
        await writeFile(path, bytes.subarray(0, cut));
        const whole = ends.filter((end) => end <= cut).length;
        expect(await readAll(path, cut, { maxEvents, isStrict: cut % 2 === 0 })).toEqual({
          read: all.slice(0, whole),
          damaged: [],
          lines: whole,
        });
      }
    }),
    { numRuns: 8 },
  );
}, 60_000);

test("with any byte changed, the line it is in is reported and every other event is read", async () => {
  const path = join(directory, "flipped.log");
  await fc.assert(
    fc.asyncProperty(events(5), fc.nat(), fc.integer({ min: 1, max: 255 }), async (all, at, flip) => {
      const lines = all.map((event) => encodeLine(event));
      const bytes = Buffer.concat(lines);
      const position = at % bytes.length;
      bytes[position] = (bytes[position] ?? 0) ^ flip;
      await writeFile(path, bytes);
      const { read } = await readAll(path, bytes.length, { maxEvents: 2, isStrict: flip % 2 === 0 });
      let start = 0;
      const intact = all.filter((_, index) => {
        const length = lines[index]?.length ?? 0;
        const hit = position >= start && position < start + length;
        // A newline that is gone takes the next line with it.
        const swallowed = position === start - 1;
        start += length;
        return !hit && !swallowed;
      });
      expect(read).toEqual(intact);
    }),
    { numRuns: 300 },
  );
}, 60_000);

test("through any order of appends, deliveries, outages, crashes and torn tails, recorded is what was appended", async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant("append"), count: fc.integer({ min: 1, max: 8 }) }) },
    { weight: 3, arbitrary: fc.constant({ do: "flush", count: 0 }) },
    { weight: 2, arbitrary: fc.constant({ do: "api", count: 0 }) },
    // A crash in the middle of a write leaves any number of bytes of a line behind.
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("crash"), count: fc.integer({ min: 0, max: 120 }) }),
    },
  );
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.constantFrom(1, 200, 100_000),
      fc.integer({ min: 1, max: 6 }),
      async (steps, segmentBytes, batchSize) => {
        const home = join(directory, `run-${++run}`);
        const recorded = new Map<string, number>();
        const api = { state: "up" as "up" | "away" | "deaf" };
        const open = () =>
          openJournal({
            directory: home,
            batchSize,
            segmentBytes,
            flushInterval: 60_000,
            deliver: async (batch) => {
              if (api.state === "away") throw new Error("away");
              const outcomes = batch.map(({ idempotencyKey, quantity }) => {
                if (recorded.has(idempotencyKey)) return { status: "duplicate" as const };
                recorded.set(idempotencyKey, quantity);
                return { status: "recorded" as const };
              });
              // The API recorded, and its answer is lost.
              if (api.state === "deaf") throw new Error("socket hang up");
              return outcomes;
            },
          });
        const appended = new Map<string, number>();
        let journal = await open();
        for (const { do: action, count } of steps) {
          if (action === "append") {
            await Promise.all(
              Array.from({ length: count }, () => {
                const quantity = appended.size + 1;
                appended.set(`k${quantity}`, quantity);
                return journal.append({
                  idempotencyKey: `k${quantity}`,
                  timestamp: "2026-11-23T19:12:42.000Z",
                  agentId: "a",
                  meterName: "m",
                  quantity,
                });
              }),
            );
          } else if (action === "flush") {
            if (api.state === "up") await journal.flush();
            else await journal.flush().catch(() => undefined);
          } else if (action === "api") {
            api.state = api.state === "up" ? "away" : api.state === "away" ? "deaf" : "up";
          } else {
            const before = journal.state().pendingEvents;
            const was = api.state;
            api.state = "away";
            await journal.close({ timeout: 0 });
            api.state = was;
            if (before > 0) await tearTail(home, count);
            journal = await open();
          }
        }
        api.state = "up";
        expect(await journal.close({ timeout: 20_000 })).toMatchObject({ pendingEvents: 0, pendingBytes: 0 });
        expect(recorded).toEqual(appended);
      },
    ),
    { numRuns: 40 },
  );
}, 60_000);

/** Leaves the first bytes of a line at the end of the newest segment, as kill -9 in the middle of a write does. */
async function tearTail(home: string, length: number): Promise<void> {
  const files = (await readdir(home, { recursive: true })).filter((name) => name.endsWith(".log")).sort();
  const newest = files.at(-1);
  if (newest === undefined) return;
  const path = join(home, newest);
  const never = encodeLine({
    idempotencyKey: "never appended",
    timestamp: "2026-11-23T19:12:42.000Z",
    agentId: "a",
    meterName: "m",
    quantity: 1,
  });
  await writeFile(
    path,
    Buffer.concat([await readFile(path), never.subarray(0, Math.min(length, never.length - 1))]),
  );
}
