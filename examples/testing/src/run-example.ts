import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** Options for running an example. */
export interface RunExample {
  /** Its main file. */
  readonly main: URL;
  /** Its environment. Nothing of ours is passed on that could stand in for what an example must be told. */
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

/** Output of an example that has ended, and its exit code. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An example that serves MCP, or A2A, over HTTP. */
export interface ServingExample {
  /** Its endpoint, as it printed it. */
  readonly url: URL;
  /** Asks it to end (SIGTERM), and answers what it printed. */
  stop(): Promise<Ended>;
}

/** Runs an example to its end. */
export async function runExample(options: RunExample): Promise<Ended> {
  return spawnExample(options).ended;
}

/** Starts an example that serves, and resolves when it says where. */
export async function serveExample(options: RunExample): Promise<ServingExample> {
  const { child, ended, printed } = spawnExample({ ...options, env: { PORT: "0", ...options.env } });
  const said = new Promise<URL>((resolve) => {
    child.stdout?.on("data", () => {
      const url = /http:\/\/\S+\/(mcp|a2a)/.exec(printed.stdout)?.[0];
      if (url !== undefined) resolve(new URL(url));
    });
  });
  const url = await Promise.race([
    said,
    ended.then(({ code, stderr }) => {
      throw new Error(`the example ended (${code}) before it served: ${stderr}`);
    }),
  ]);
  return {
    url,
    async stop() {
      child.kill("SIGTERM");
      const tooLong = setTimeout(() => child.kill("SIGKILL"), 30_000);
      return ended.finally(() => clearTimeout(tooLong));
    },
  };
}

/** The command that runs a TypeScript file, and the environment that an example sees. */
export function exampleCommand({ main, env = {}, args = [] }: RunExample) {
  const { PATH = "", HOME = "", TMPDIR = "" } = process.env;
  return {
    command: process.execPath,
    args: ["--import", import.meta.resolve("tsx"), main.pathname, ...args],
    env: { PATH, HOME, ...(TMPDIR !== "" && { TMPDIR }), ...env },
  };
}

function spawnExample(options: RunExample) {
  const { command, args, env } = exampleCommand(options);
  const child: ChildProcess = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const printed = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk) => {
    printed.stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    printed.stderr += chunk;
  });
  const ended = once(child, "close").then((): Ended => ({ code: child.exitCode, ...printed }));
  return { child, ended, printed };
}
