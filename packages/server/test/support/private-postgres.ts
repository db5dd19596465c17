import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chown, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/** A PostgreSQL of the test's own, which it may stop as it likes. */
export interface PrivatePostgres {
  readonly databaseUrl: string;
  /** `fast` ends connections in good order; `immediate` is a crash, with recovery at the next start. */
  restart(how: "fast" | "immediate"): Promise<void>;
  readonly dataDirectory: string;
  /** Ends it in good order. */
  stop(): Promise<void>;
  /** Ends every process of it at once. */
  kill(): Promise<void>;
  /** Starts it again on what is then in its data directory, with these variables. */
  start(env: Record<string, string>): Promise<void>;
  /** Starts another one on a copy of its data directory, for as long as somebody looks at it. */
  look<T>(copy: string, see: (databaseUrl: string) => Promise<T>): Promise<T>;
  /** Makes and starts a standby, which takes no changes until it is promoted. */
  startStandby(): Promise<Standby>;
  remove(): Promise<void>;
}

/** A copy of a PostgreSQL that follows it. */
export interface Standby {
  readonly databaseUrl: string;
  /** Lets it follow no longer, and take changes. */
  promote(): Promise<void>;
  remove(): Promise<void>;
}

const DEBIAN = "/usr/lib/postgresql";

/** Where PostgreSQL's programs are, or why a private one cannot be run here. */
export function findPostgresPrograms(): { readonly directory: string } | { readonly missing: string } {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).toSorted((a, b) => Number(b) - Number(a)) : [];
  const candidates = [
    ...versions.map((version) => join(DEBIAN, version, "bin")),
    ...(process.env["PATH"] ?? "").split(":"),
  ];
  const directory = candidates.find(
    (one) => existsSync(join(one, "initdb")) && existsSync(join(one, "pg_ctl")),
  );
  if (directory === undefined) return { missing: "this machine has no initdb and pg_ctl" };
  if (process.getuid?.() === 0 && findOwner() === null)
    return { missing: "PostgreSQL does not run as root, and there is no user postgres" };
  return { directory };
}

/** PostgreSQL refuses to run as root; then it runs as the user that its package made. */
function findOwner(): { uid: number; gid: number } | null {
  try {
    const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
    return { uid: id("-u"), gid: id("-g") };
  } catch {
    return null;
  }
}

/** Makes and starts a PostgreSQL in a temporary directory, on a free port of loopback. */
export async function startPrivatePostgres(directory: string): Promise<PrivatePostgres> {
  const user = process.getuid?.() === 0 ? findOwner() : null;
  const home = await mkdtemp(join(tmpdir(), "licentric-postgres-"));
  if (user !== null) await chown(home, user.uid, user.gid);
  const run = (program: string, args: readonly string[], env: Record<string, string> = {}) =>
    promisify(execFile)(join(directory, program), [...args], {
      cwd: home,
      env: { ...process.env, ...env },
      ...(user ?? {}),
    });
  const data = join(home, "data");
  const port = await freePort();
  const optionsOn = (onPort: number) =>
    `-c listen_addresses=127.0.0.1 -p ${onPort} -k ${home} -c max_connections=60`;
  const options = optionsOn(port);
  const urlOn = (onPort: number) => `postgres://licentric@127.0.0.1:${onPort}/postgres`;
  const controlIn = async (directory: string, args: readonly string[], env?: Record<string, string>) => {
    try {
      return await run("pg_ctl", ["-D", directory, "-w", "-t", "120", "-l", join(home, "log"), ...args], env);
    } catch (cause) {
      // `pg_ctl` names the reason in the server's log alone, which is removed with the rest.
      if (!args.includes("start")) throw cause;
      const log = await readFile(join(home, "log"), "utf8").catch(() => "");
      throw new Error(`PostgreSQL did not start. The end of its log:\n${log.slice(-2_000)}`, { cause });
    }
  };
  const control = (...args: string[]) => controlIn(data, args);
  const own = async (directory: string) => {
    if (user !== null) await promisify(execFile)("chown", ["-R", `${user.uid}:${user.gid}`, directory]);
  };
  await run("initdb", [
    "-D",
    data,
    "-U",
    "licentric",
    "-A",
    "trust",
    "-E",
    "UTF8",
    "--locale=C",
    "--no-sync",
  ]);
  await control("-o", options, "start");
  const isRunning = () =>
    control("status").then(
      () => true,
      () => false,
    );
  return {
    databaseUrl: urlOn(port),
    restart: async (how) => {
      await control("-o", options, "-m", how, "restart");
    },
    startStandby: async () => {
      const copy = join(home, "standby");
      const ofStandby = await freePort();
      await run("pg_basebackup", [
        ...["-h", "127.0.0.1", "-p", String(port), "-U", "licentric"],
        ...["-D", copy, "-R", "-X", "stream", "-c", "fast", "--no-sync"],
      ]);
      const controlCopy = (...args: string[]) => controlIn(copy, args);
      await controlCopy("-o", optionsOn(ofStandby), "start");
      return {
        databaseUrl: urlOn(ofStandby),
        promote: async () => {
          await controlCopy("promote");
        },
        remove: async () => {
          await controlCopy("-m", "immediate", "stop");
        },
      };
    },
    dataDirectory: data,
    stop: async () => {
      await control("-m", "fast", "stop");
    },
    kill: async () => {
      const postmaster = Number((await readFile(join(data, "postmaster.pid"), "utf8")).split("\n", 1)[0]);
      await killAll(postmaster);
    },
    start: async (env) => {
      await forgetProcesses(data);
      await own(data);
      await controlIn(data, ["-o", options, "start"], env);
    },
    look: async (copy, see) => {
      await forgetProcesses(copy);
      await own(copy);
      const onPort = await freePort();
      await controlIn(copy, ["-o", optionsOn(onPort), "start"]);
      try {
        return await see(urlOn(onPort));
      } finally {
        await controlIn(copy, ["-m", "fast", "stop"]);
      }
    },
    remove: async () => {
      if (await isRunning()) await control("-m", "immediate", "stop");
      await rm(home, { recursive: true, force: true });
    },
  };
}

/**
 * Removes what says which process serves the directory, whose power was cut. On a machine that starts again, no process
 * of before is there; here, another one may have got its number meanwhile, and PostgreSQL would not start beside it.
 */
async function forgetProcesses(directory: string): Promise<void> {
  await rm(join(directory, "postmaster.pid"), { force: true });
}

/** Kills a process and its children, as they are known to Linux, and waits until nothing of them runs. */
async function killAll(parent: number): Promise<void> {
  const stateOf = (pid: string | number) => {
    try {
      // After the name, which is in parentheses: the state and the parent.
      const [state = "", parentId] =
        readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      return { state, parent: Number(parentId) };
    } catch {
      return null;
    }
  };
  const children = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && stateOf(pid)?.parent === parent);
  for (const pid of [parent, ...children.map(Number)]) process.kill(pid, "SIGKILL");
  const isAlive = (pid: number) => !["Z", "X", undefined].includes(stateOf(pid)?.state);
  while ([parent, ...children.map(Number)].some(isAlive)) await sleep(5);
}

/** A port of this machine that nothing listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
