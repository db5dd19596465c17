import { appendFile, chmod, cp, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { type RunningServer, startServer } from "../../../src/start-server.ts";
import type { Database } from "../../../src/store/database.ts";
import { type DatabaseLocation, openDatabase } from "../../../src/store/open-database.ts";
import { embedded } from "../databases.ts";
import { findPostgresPrograms, startPrivatePostgres } from "../private-postgres.ts";
import { type ServerProcess, startServerProcess } from "../server-process.ts";
import type { Survival } from "./disk.ts";
import type { Step } from "./journal.ts";
import { Recorder, whyNotRecorded } from "./recorder.ts";

/** A machine with a database on it, and the API, whose power is cut. */
export interface Machine {
  readonly location: DatabaseLocation;
  /** Where the API answers now. */
  urls(): readonly string[];
  /** Takes what is on its disk for synced. `withoutSyncs` starts PostgreSQL as `-F` does. */
  prepare(options?: { withoutSyncs?: boolean }): Promise<void>;
  start(): Promise<void>;
  /** Has the database begin a new file of its log, and make a checkpoint, while it works. */
  switchLog(): Promise<void>;
  /** Cuts the power, and leaves on the disk what survives. Resolves with what had been done until then. */
  cutPower(survival: Survival): Promise<Step[]>;
  /** Looks at what is on the disk; what comes of it is thrown away. */
  look<T>(see: (location: DatabaseLocation) => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}

/** The programs of a machine, on a disk of its own. */
interface Programs extends Pick<Machine, "location" | "urls" | "switchLog"> {
  /** The directory of the database, and where in it PostgreSQL's own files are. */
  readonly directory: string;
  readonly settings: string;
  start(env: Record<string, string>): Promise<void>;
  /** Ends in good order what runs of the database. */
  stop(): Promise<void>;
  kill(): Promise<void>;
  look<T>(copy: string, see: (location: DatabaseLocation) => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}

/** A kind of machine, or why there is none of it here. */
export interface MachineKind {
  readonly name: string;
  readonly missing: string | null;
  make(): Promise<Machine>;
}

const installed = findPostgresPrograms();

export const machines: readonly MachineKind[] = [
  { name: "the embedded database", missing: whyNotRecorded(), make: () => machine(onEmbedded) },
  {
    name: "PostgreSQL",
    missing: whyNotRecorded() ?? ("missing" in installed ? installed.missing : null),
    make: () => machine(onPostgres),
  },
];

async function machine(install: (home: string) => Promise<Programs>): Promise<Machine> {
  const home = await mkdtemp(join(tmpdir(), "licentric-power-"));
  // Another user's processes write the journal.
  await chmod(home, 0o777);
  const programs = await install(home);
  const { directory } = programs;
  const recorder = new Recorder(home, directory);
  const before = join(home, "before");
  const left = join(home, "left");
  const copy = (from: string, to: string) => cp(from, to, { recursive: true });
  const { location, urls, switchLog } = programs;
  return {
    location,
    urls,
    switchLog,
    prepare: async ({ withoutSyncs = false } = {}) => {
      await programs.stop();
      if (withoutSyncs) await appendFile(join(programs.settings, "postgresql.auto.conf"), "fsync = off\n");
      await copy(directory, before);
    },
    start: () => programs.start(recorder.env),
    cutPower: async (survival) => {
      await programs.kill();
      const steps = await recorder.take();
      await recorder.cutPower(before, steps, left, survival);
      for (const gone of [directory, before]) await rm(gone, { recursive: true });
      await copy(left, before);
      await rename(left, directory);
      return steps;
    },
    look: async (see) => {
      const looked = join(home, "looked");
      await copy(directory, looked);
      try {
        return await programs.look(looked, see);
      } finally {
        await rm(looked, { recursive: true });
      }
    },
    remove: async () => {
      await programs.remove();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** The API in a process of its own, with the database in it. */
async function onEmbedded(home: string): Promise<Programs> {
  const directory = join(home, "data");
  const made = await embedded.create();
  if (!("dataDirectory" in made.location)) throw new Error("the embedded database has no directory");
  await rename(made.location.dataDirectory, directory);
  const location = { dataDirectory: directory };
  let server: ServerProcess | null = null;
  const kill = async () => {
    const killed = server;
    server = null;
    await killed?.kill();
  };
  return {
    directory,
    settings: join(directory, "pgdata"),
    location,
    urls: () => (server === null ? [] : [server.url]),
    switchLog: async () => server?.switchLog(),
    start: async (env) => {
      server = await startServerProcess(location, { env });
    },
    stop: async () => {},
    kill,
    look: (dataDirectory, see) => see({ dataDirectory }),
    remove: kill,
  };
}

/** PostgreSQL, and the API on another machine, whose power stays. */
async function onPostgres(): Promise<Programs> {
  if ("missing" in installed) throw new Error(installed.missing);
  const postgres = await startPrivatePostgres(installed.directory);
  const { databaseUrl, dataDirectory } = postgres;
  let api: { server: RunningServer; db: Database } | null = null;
  return {
    directory: dataDirectory,
    settings: dataDirectory,
    location: { databaseUrl },
    urls: () => (api === null ? [] : [api.server.url]),
    switchLog: async () => {
      const client = new pg.Client({ connectionString: databaseUrl });
      client.on("error", () => undefined);
      await client.connect();
      await client.query("SELECT pg_switch_wal()");
      await client.query("CHECKPOINT");
      await client.end();
    },
    start: async (env) => {
      await postgres.start(env);
      if (api !== null) return;
      const db = await openDatabase({ databaseUrl });
      api = { db, server: await startServer({ db, port: 0, logLevel: "silent" }) };
    },
    stop: postgres.stop,
    kill: postgres.kill,
    look: (copy, see) => postgres.look(copy, (url) => see({ databaseUrl: url })),
    remove: async () => {
      await api?.server.close();
      await api?.db.close();
      await postgres.remove();
    },
  };
}
