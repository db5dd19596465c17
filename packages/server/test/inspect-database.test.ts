import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { inspectDatabase } from "../src/store/inspect-database.ts";
import { openDatabase } from "../src/store/open-database.ts";
import { prepareDatabase } from "./support/prepared-database.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-inspect-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it("tells an empty, an open, a current and a newer embedded database apart", async () => {
  expect(await inspectDatabase({ dataDirectory: join(directory, "none") })).toBe("empty");
  expect(await readdir(directory)).toEqual([]);

  const dataDirectory = join(directory, "data");
  await prepareDatabase(dataDirectory);
  const db = await openDatabase({ dataDirectory });
  expect(await inspectDatabase({ dataDirectory })).toBe("in-use");
  await db.close();
  expect(await inspectDatabase({ dataDirectory })).toBe("current");

  const changed = await openDatabase({ dataDirectory });
  await changed.query("UPDATE schema_version SET version = version + 1, usable_from = version + 1");
  await changed.close();
  expect(await inspectDatabase({ dataDirectory })).toBe("newer");
}, 120_000);

it("says that PostgreSQL cannot be reached", async () => {
  await expect(inspectDatabase({ databaseUrl: "postgres://127.0.0.1:1/none" })).rejects.toThrow(
    "Cannot use PostgreSQL at 127.0.0.1:1/none",
  );
}, 60_000);
