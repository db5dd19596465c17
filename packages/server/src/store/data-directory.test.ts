import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { takeDataDirectory } from "./data-directory.ts";
import { DatabaseSetupError } from "./database.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-test-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it("makes the directory and those above it, for their owner alone", async () => {
  const nested = join(directory, "a", "b");
  const unlock = await takeDataDirectory(nested);
  expect((await stat(join(directory, "a"))).mode & 0o777).toBe(0o700);
  expect((await stat(nested)).mode & 0o777).toBe(0o700);
  await unlock();
  await (await takeDataDirectory(nested))();
});

it("says which directory cannot be used, and why, at once", async () => {
  const file = join(directory, "file");
  await writeFile(file, "");
  for (const [path, code] of [
    [file, "ENOTDIR"],
    [join(file, "below"), "ENOTDIR"],
    ...(process.platform === "linux" ? [["/proc/nope/data", "ENOENT"] as const] : []),
  ] as const) {
    const error = await takeDataDirectory(path).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DatabaseSetupError);
    expect(error).toMatchObject({ message: expect.stringMatching(`${path} cannot be used \\(${code}`) });
  }
});
