import fs from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { lockDirectory } from "./directory-lock.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "lock-"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(directory, { recursive: true, force: true });
});

test("one holds the lock at a time, within a process too", async () => {
  const first = await lockDirectory(directory);
  expect(first).toBeDefined();
  expect(await lockDirectory(directory)).toBeUndefined();
  first?.release();
  const second = await lockDirectory(directory);
  expect(second).toBeDefined();
  second?.release();
});

test("a directory that is gone cannot be locked", async () => {
  expect(await lockDirectory(join(directory, "gone"))).toBeUndefined();
});

test.skipIf(process.platform === "win32")("a lock on a file that was removed meanwhile is none", async () => {
  const open = fs.openSync.bind(fs);
  vi.spyOn(fs, "openSync").mockImplementationOnce((path, flags, mode) => {
    const file = open(path, flags, mode);
    // The one who held the lock removes the directory between our opening and our locking.
    fs.unlinkSync(path);
    return file;
  });
  expect(await lockDirectory(directory)).toBeUndefined();
});
