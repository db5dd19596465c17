import fs from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { adoptSubJournal, createSubJournal, listSubJournals, releaseSubJournal } from "./sub-journal.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sub-journal-"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(directory, { recursive: true, force: true });
});

test("names sort by age, whatever the process", async () => {
  const times = [0, 1_700_000_000_000, 1_795_000_000_000, 4_000_000_000_000];
  const made = [];
  for (const time of times) made.push(await createSubJournal(directory, time));
  expect(await listSubJournals(directory)).toEqual(made.map(({ name }) => name));
  for (const journal of made) await releaseSubJournal(journal);
  expect(await readdir(directory)).toEqual([]);
});

test("giving an empty one up never removes what somebody put there once it was free", async () => {
  const journal = await createSubJournal(directory, 0);
  const theirs = join(journal.directory, "00000001.log");
  const close = fs.closeSync.bind(fs);
  vi.spyOn(fs, "closeSync").mockImplementationOnce((file) => {
    close(file);
    // The moment it is free, its next owner takes it and writes.
    fs.writeFileSync(join(journal.directory, "lock"), "");
    fs.writeFileSync(theirs, "event");
  });
  await releaseSubJournal(journal);
  expect(fs.readFileSync(theirs, "utf8")).toBe("event");
});

test("one that lost its lock file is adopted all the same", async () => {
  const path = join(directory, "000000001-0123456789ab");
  fs.mkdirSync(path);
  fs.writeFileSync(join(path, "00000001.log"), "torn");
  const orphan = await adoptSubJournal(directory, "000000001-0123456789ab");
  expect(orphan?.segments).toHaveLength(1);
  orphan?.lock.release();
});
