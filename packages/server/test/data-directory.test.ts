import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startServer } from "../src/start-server.ts";
import { backupDatabase, restoreDatabase } from "../src/store/backup.ts";
import { DatabaseSetupError } from "../src/store/database.ts";
import { inspectDatabase } from "../src/store/inspect-database.ts";
import { openDatabase } from "../src/store/open-database.ts";
import { prepareDatabase } from "./support/prepared-database.ts";

const PAGE = 8_192;

let home: string;
let dataDirectory: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "licentric-directory-"));
  dataDirectory = join(home, "data");
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** What is below a directory, with it, and open to others than its owner. */
async function openToOthers(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = [directory, ...entries.map((entry) => join(entry.parentPath, entry.name))];
  const modes = await Promise.all(
    paths.map(async (path) => ({ path, mode: (await stat(path)).mode & 0o777 })),
  );
  return modes
    .filter(({ mode }) => (mode & 0o077) !== 0)
    .map(({ path, mode }) => `${mode.toString(8)} ${path}`);
}

async function usedDatabase(): Promise<void> {
  await prepareDatabase(dataDirectory, "none");
  const db = await openDatabase({ dataDirectory });
  await db.query("CREATE TABLE kept AS SELECT n FROM generate_series(1, 10000) AS n");
  await db.close();
}

describe.skipIf(process.platform === "win32")("a data directory is its owner's alone", () => {
  it("in a directory that others could read", async () => {
    await mkdir(dataDirectory, { mode: 0o755 });
    await chmod(dataDirectory, 0o755);
    const db = await openDatabase({ dataDirectory });
    const server = await startServer({ db, port: 0, logLevel: "silent" });
    try {
      expect(await openToOthers(dataDirectory)).toEqual([]);
    } finally {
      await server.close();
      await db.close();
    }
    expect(await openToOthers(dataDirectory)).toEqual([]);
  });

  it("where an earlier version left its files open to others", async () => {
    await usedDatabase();
    const pgdata = join(dataDirectory, "pgdata");
    for (const entry of await readdir(pgdata, { recursive: true, withFileTypes: true }))
      await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o666);
    for (const directory of [pgdata, dataDirectory]) await chmod(directory, 0o755);
    expect(await openToOthers(dataDirectory)).not.toEqual([]);
    await (await openDatabase({ dataDirectory })).close();
    expect(await openToOthers(dataDirectory)).toEqual([]);
  });

  it("of a restored backup", async () => {
    await usedDatabase();
    await backupDatabase(dataDirectory, join(home, "backup.tar.gz"));
    await restoreDatabase(join(home, "backup.tar.gz"), join(home, "restored"));
    expect(await openToOthers(join(home, "restored"))).toEqual([]);
  });

  it("and one that it shares with other things stays as it is, with its own files closed", async () => {
    await mkdir(dataDirectory);
    await chmod(dataDirectory, 0o755);
    await writeFile(join(dataDirectory, "notes"), "", { mode: 0o600 });
    await (await openDatabase({ dataDirectory })).close();
    expect(await openToOthers(dataDirectory)).toEqual([`755 ${dataDirectory}`]);
  });
});

describe("a data directory whose database is incomplete", () => {
  const NAMES_THE_BACKUP =
    /damaged or incomplete \(.*restore the latest backup into a new one: `licentric restore/;

  async function expectRefused(message: RegExp): Promise<void> {
    const before = await readdir(dataDirectory, { recursive: true });
    for (const attempt of [
      () => openDatabase({ dataDirectory }),
      () => inspectDatabase({ dataDirectory }),
      () => backupDatabase(dataDirectory, join(home, "backup.tar.gz")),
    ]) {
      const error = await attempt().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(DatabaseSetupError);
      expect(error).toMatchObject({ message: expect.stringMatching(message) });
    }
    const after = await readdir(dataDirectory, { recursive: true });
    const locks = ["lock", join("pgdata", "postmaster.pid")];
    expect(after.filter((name) => !before.includes(name) && !locks.includes(name))).toEqual([]);
  }

  it("gets no new one where PG_VERSION is missing", async () => {
    await usedDatabase();
    const version = await readFile(join(dataDirectory, "pgdata", "PG_VERSION"));
    await rm(join(dataDirectory, "pgdata", "PG_VERSION"));
    await expectRefused(/PG_VERSION is missing/);
    await expectRefused(NAMES_THE_BACKUP);

    await writeFile(join(dataDirectory, "pgdata", "PG_VERSION"), version);
    const db = await openDatabase({ dataDirectory });
    expect(await db.query("SELECT count(*)::int AS kept FROM kept")).toEqual([{ kept: 10_000 }]);
    await db.close();
  });

  it("gets no new one where the secret key of a server is left", async () => {
    await mkdir(dataDirectory);
    await writeFile(join(dataDirectory, "secret-key"), "of a server that has lost its database");
    await expectRefused(NAMES_THE_BACKUP);
  });

  it("gets no new one in the middle of a restore", async () => {
    await mkdir(join(dataDirectory, "pgdata.restoring"), { recursive: true });
    await expectRefused(/A restore into .* was broken off\. Run it again: `licentric restore/);
  });

  it("is made anew where its making was broken off", async () => {
    await mkdir(join(dataDirectory, "pgdata.new", "base"), { recursive: true });
    await writeFile(join(dataDirectory, "pgdata.new", "PG_VERSION"), "18");
    const db = await openDatabase({ dataDirectory });
    await db.close();
    expect(await readdir(dataDirectory)).toEqual(["lock", "pgdata"]);
  });

  it.each(["global/pg_control", "pg_wal/000000010000000000000001", "base"])(
    "is told of in a sentence without %s",
    async (name) => {
      await prepareDatabase(dataDirectory, "none");
      await rm(join(dataDirectory, "pgdata", name), { recursive: true });
      await expectRefused(NAMES_THE_BACKUP);
    },
  );
});

describe("a data directory with a damaged page", () => {
  async function damage(table: string): Promise<void> {
    const db = await openDatabase({ dataDirectory });
    const [row] = await db.query<{ path: string }>("SELECT pg_relation_filepath($1) AS path", [table]);
    await db.close();
    const file = await open(join(dataDirectory, "pgdata", row?.path ?? ""), "r+");
    await file.write(Buffer.alloc(PAGE / 2, 0xff), 0, PAGE / 2, PAGE / 4);
    await file.close();
  }

  it.each(["pg_class", "schema_version"])("is told of in a sentence when it starts, of %s", async (table) => {
    await usedDatabase();
    await damage(table);
    const error = await openDatabase({ dataDirectory }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DatabaseSetupError);
    expect(error).toMatchObject({
      message: expect.stringMatching(/damaged or incomplete \(.*page.*`licentric restore <backup>/),
    });
  });

  it("is told of in a sentence when the page is read, and the rest goes on", async () => {
    await usedDatabase();
    await damage("kept");
    const db = await openDatabase({ dataDirectory });
    await expect(db.query("SELECT count(*) FROM kept")).rejects.toThrow(
      /damaged or incomplete \(invalid page in block 0 .*`licentric restore <backup>/,
    );
    expect(await db.query("SELECT count(*)::int AS found FROM schema_version")).toEqual([{ found: 1 }]);
    await db.close();
  });
});

it("a data directory does not grow by the log of what is long in its files", async () => {
  await usedDatabase();
  const db = await openDatabase({ dataDirectory });
  for (let count = 0; count < 24; count += 1) {
    await db.query("INSERT INTO kept VALUES (0)");
    await db.query("SELECT pg_switch_wal()");
  }
  // Closing it would clear the log, too.
  const log = await readdir(join(dataDirectory, "pgdata", "pg_wal"));
  await db.close();
  expect(log.filter((name) => /^[0-9A-F]{24}$/.test(name)).length).toBeLessThan(16);
});
