import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** A PostgreSQL of the test's own, which it may stop as it likes. */
export interface PrivatePostgres {
  readonly databaseUrl: string;
  /** `fast` ends connections in good order; `immediate` is a crash, with recovery at the next start. */
  restart(how: "fast" | "immediate"): Promise<void>;
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
  const run = (program: string, args: readonly string[]) =>
    promisify(execFile)(join(directory, program), [...args], { cwd: home, ...(user ?? {}) });
  const data = join(home, "data");
  const port = await freePort();
  const options = `-c listen_addresses=127.0.0.1 -p ${port} -k ${home} -c max_connections=60`;
  const control = (...args: string[]) =>
    run("pg_ctl", ["-D", data, "-w", "-t", "120", "-l", join(home, "log"), ...args]);
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
  return {
    databaseUrl: `postgres://licentric@127.0.0.1:${port}/postgres`,
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
      const controlCopy = (...args: string[]) =>
        run("pg_ctl", ["-D", copy, "-w", "-t", "120", "-l", join(home, "log-standby"), ...args]);
      await controlCopy("-o", options.replace(`-p ${port}`, `-p ${ofStandby}`), "start");
      return {
        databaseUrl: `postgres://licentric@127.0.0.1:${ofStandby}/postgres`,
        promote: async () => {
          await controlCopy("promote");
        },
        remove: async () => {
          await controlCopy("-m", "immediate", "stop");
        },
      };
    },
    remove: async () => {
      await control("-m", "immediate", "stop");
      await rm(home, { recursive: true, force: true });
    },
  };
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
