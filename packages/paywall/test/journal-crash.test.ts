import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { isJournalEvent, type JournalEvent } from "../src/journal/journal-event.ts";
import { openJournal } from "../src/journal/open-journal.ts";

// `.ci/full` kills it more often.
const ROUNDS = Number(process.env["LICENTRIC_TEST_KILLS"] ?? 20);

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "licentric-journal-crash-"));
});
afterAll(async () => {
  await rm(home, { recursive: true, force: true });
});

/** Records each key once, and fails in every way that an API does. */
function startApi() {
  const recorded = new Map<string, JournalEvent>();
  let requests = 0;
  let repeated = 0;
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const events: unknown = JSON.parse(await text(request));
    if (!Array.isArray(events) || !events.every(isJournalEvent)) return void response.writeHead(400).end();
    requests++;
    // RefusedError before anything was recorded.
    if (requests % 7 === 0) return void response.writeHead(503).end();
    const outcomes = events.map((event) => {
      const known = recorded.has(event.idempotencyKey);
      if (known) repeated++;
      else recorded.set(event.idempotencyKey, event);
      return { status: known ? "duplicate" : "recorded" };
    });
    // Recorded, and the answer is lost.
    if (requests % 5 === 0) return void request.socket.destroy();
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(outcomes));
  }
  const server = createServer((request, response) => {
    // A killed child leaves its request unfinished.
    answer(request, response).catch(() => response.destroy());
  });
  return { recorded, server, repeated: () => repeated };
}

function exited(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

async function until(condition: () => boolean, child: ChildProcess): Promise<void> {
  while (!condition()) {
    if (child.exitCode !== null) throw new Error(`the child ended by itself with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test(`${ROUNDS} times kill -9: every acknowledged event is recorded once, and none that was not appended`, async () => {
  const { recorded, server, repeated } = startApi();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A TCP server listens on an address, never on a text.
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const directory = await mkdtemp(join(home, "crash-"));
  const notes = `${directory}.notes`;

  let next = 0;
  async function killInTurns(): Promise<void> {
    while (next < ROUNDS) {
      const name = `r${++next}`;
      const child = spawn(
        process.execPath,
        [inject("journalPrograms")["journal-crash-child"], directory, url, `${notes}-${name}`, name],
        {
          stdio: ["ignore", "ignore", "inherit"],
        },
      );
      const end = exited(child);
      await until(() => existsSync(`${notes}-${name}`), child);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 250));
      if (child.exitCode !== null) throw new Error(`the child ended by itself with ${child.exitCode}`);
      child.kill("SIGKILL");
      await end;
    }
  }
  // Two at a time share the directory: one adopts what the other left, and dies doing it.
  await Promise.all([killInTurns(), killInTurns()]);

  const left = (await readdir(directory)).length;
  const last = await openJournal({
    directory,
    deliver: async (events) => {
      const response = await fetch(url, { method: "POST", body: JSON.stringify(events) });
      if (!response.ok) throw new Error(`the API answered ${response.status}`);
      return JSON.parse(await response.text());
    },
    retryDelay: { first: 1, longest: 10 },
  });
  expect(await last.close({ timeout: 20_000 })).toMatchObject({ pendingEvents: 0, pendingBytes: 0 });

  const appended = new Set<string>();
  const acknowledged = new Set<string>();
  for (let round = 1; round <= ROUNDS; round++) {
    const path = `${notes}-r${round}`;
    for (const note of (await readFile(path, "utf8")).split("\n").slice(0, -1)) {
      (note.startsWith("+") ? appended : acknowledged).add(note.slice(1));
    }
    await rm(path);
  }
  expect([...acknowledged].filter((key) => !recorded.has(key))).toEqual([]);
  expect([...recorded.keys()].filter((key) => !appended.has(key))).toEqual([]);
  for (const { idempotencyKey, quantity } of recorded.values()) {
    expect(idempotencyKey.split("-")[1]).toBe(String(quantity));
  }
  // The test has met what it is about: orphans, repetitions, and many events of each process.
  expect(left).toBeGreaterThan(0);
  expect(repeated()).toBeGreaterThan(0);
  expect(acknowledged.size).toBeGreaterThan(ROUNDS * 2);
  expect(await readdir(directory)).toEqual([]);

  await rm(directory, { recursive: true });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}, 120_000);

test("a directory that is moved under a process that appends: what it acknowledged is recorded once, from the new place", async () => {
  const { recorded, server } = startApi();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const directory = await mkdtemp(join(home, "moved-"));
  const notes = `${directory}.notes`;
  const child = spawn(
    process.execPath,
    [inject("journalPrograms")["journal-crash-child"], directory, url, notes, "moved"],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const said = text(child.stderr);
  const end = exited(child);
  await until(() => recorded.size > 50, child);
  const place = `${directory}-now`;
  await rename(directory, place);
  // It ends at the first event that is refused.
  await end;
  expect(await said).toContain(`the usage journal in ${directory} was moved while it is in use`);
  expect(existsSync(directory)).toBe(false);
  const next = await openJournal({
    directory: place,
    deliver: async (events) => {
      const response = await fetch(url, { method: "POST", body: JSON.stringify(events) });
      if (!response.ok) throw new Error(`the API answered ${response.status}`);
      return JSON.parse(await response.text());
    },
    retryDelay: { first: 1, longest: 10 },
  });
  expect(await next.close({ timeout: 20_000 })).toMatchObject({ pendingEvents: 0 });
  const lines = (await readFile(notes, "utf8")).split("\n");
  const acknowledged = lines.filter((line) => line.startsWith("=")).map((line) => line.slice(1));
  const appended = new Set(lines.filter((line) => line.startsWith("+")).map((line) => line.slice(1)));
  expect(acknowledged.length).toBeGreaterThan(50);
  expect(acknowledged.filter((key) => !recorded.has(key))).toEqual([]);
  expect([...recorded.keys()].filter((key) => !appended.has(key))).toEqual([]);
  expect(await readdir(place)).toEqual([]);
  await rm(place, { recursive: true });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}, 60_000);

test("a journal keeps no process alive, and what it could not deliver is there for the next one", async () => {
  const directory = await mkdtemp(join(home, "exit-"));
  const notes = join(directory, "notes");
  // Nothing listens there.
  const child = spawn(
    process.execPath,
    [inject("journalPrograms")["journal-crash-child"], directory, "http://127.0.0.1:1/", notes, "once"],
    {
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  await exited(child);
  expect(child.exitCode).toBe(0);
  const recorded: string[] = [];
  const next = await openJournal({
    directory,
    deliver: async (events) => {
      recorded.push(...events.map((event) => event.idempotencyKey));
      return events.map(() => ({ status: "recorded" }));
    },
  });
  await next.close();
  expect(recorded).toEqual(["once"]);
  await rm(directory, { recursive: true });
}, 30_000);
