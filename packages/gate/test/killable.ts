import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A server in a process of its own, which is killed and comes back where it was. */
export interface Killable {
  readonly url: string;
  /** Ends it at once, wherever it is. */
  kill(): Promise<void>;
  /** Starts it again at the same port, and waits until it answers. */
  restart(): Promise<void>;
}

/** Options of {@link startKillable}. */
export interface KillableOptions {
  /** The folder with the packages as users get them: see `stagePackages`. */
  readonly staged: string;
  /** A program of theirs, such as `licentric/dist/bin.js`. */
  readonly program: string;
  readonly args: (port: number) => readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Matches what it says when it answers, with its URL. */
  readonly ready: RegExp;
}

/** Starts a server that can be killed; what it says when it answers is returned with it. */
export async function startKillable(options: KillableOptions): Promise<Killable & { readonly said: string }> {
  const program = join(options.staged, "node_modules", options.program);
  let child: ChildProcess | undefined;
  onTestFinished(() => void child?.kill("SIGKILL"));
  const start = async (port: number) => {
    child = spawn(process.execPath, [program, ...options.args(port)], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return ready(child, options.ready);
  };
  const first = await start(0);
  return {
    url: first.url,
    said: first.said,
    async kill() {
      if (child === undefined) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
    async restart() {
      await start(Number(new URL(first.url).port));
    },
  };
}

/** Waits until a process says that it answers. */
function ready(child: ChildProcess, pattern: RegExp): Promise<{ url: string; said: string }> {
  return new Promise((resolve, reject) => {
    let said = "";
    const hear = (text: Buffer) => {
      said += text.toString("utf8");
      const url = pattern.exec(said)?.[1];
      if (url !== undefined) resolve({ url, said });
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.once("exit", (code) => reject(new Error(`it ended (${code}) before it answered: ${said}`)));
  });
}
