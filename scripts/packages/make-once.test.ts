import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { digestOf, filesIn, makeOnce } from "./make-once.ts";

let shelf: string;
beforeEach(async () => {
  shelf = await mkdtemp(join(tmpdir(), "licentric-make-once-"));
});
afterEach(() => rm(shelf, { recursive: true, force: true }));

const writing = (text: string) => (directory: string) => writeFile(join(directory, "text"), text);

it("makes a folder once for all who ask at the same time, and gives it whole", async () => {
  let made = 0;
  const ask = async () => {
    const directory = await makeOnce(shelf, "digest", async (into) => {
      made += 1;
      await writing("whole")(into);
    });
    return readFile(join(directory, "text"), "utf8");
  };
  expect(await Promise.all(Array.from({ length: 4 }, ask))).toEqual(Array.from({ length: 4 }, () => "whole"));
  expect(made).toBe(1);
});

it("makes another folder of something else", async () => {
  const first = await makeOnce(shelf, "first", writing("one"));
  const second = await makeOnce(shelf, "second", writing("two"));
  expect(await readFile(join(first, "text"), "utf8")).toBe("one");
  expect(await readFile(join(second, "text"), "utf8")).toBe("two");
});

it("begins anew after a failure", async () => {
  const failing = makeOnce(shelf, "digest", async (into) => {
    await writeFile(join(into, "half"), "");
    throw new Error("broken off");
  });
  await expect(failing).rejects.toThrow("broken off");
  const directory = await makeOnce(shelf, "digest", writing("whole"));
  expect(filesIn(directory)).toEqual([join(directory, "text")]);
});

it("removes what nobody asked for in a day", async () => {
  const old = await makeOnce(shelf, "old", writing("old"));
  const used = await makeOnce(shelf, "used", writing("used"));
  const yesterday = new Date(Date.now() - 90_000_000);
  for (const directory of [old, used]) await utimes(directory, yesterday, yesterday);
  await makeOnce(shelf, "used", writing("not made again"));
  await makeOnce(shelf, "new", writing("new"));
  expect(existsSync(old)).toBe(false);
  expect(await readFile(join(used, "text"), "utf8")).toBe("used");
});

it("tells files apart by what is in them, by where they are, and by what is said besides", async () => {
  const [one, other] = [join(shelf, "one"), join(shelf, "other")];
  await writeFile(one, "text");
  await writeFile(other, "text");
  const digests = [digestOf([one]), digestOf([other]), digestOf([one], "besides"), digestOf([one, other])];
  await writeFile(one, "another text");
  digests.push(digestOf([one]));
  expect(new Set(digests).size).toBe(5);
});
