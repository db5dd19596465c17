import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { vi } from "vitest";
import type { Framework } from "./frameworks.ts";

const run = promisify(execFile);

/** A framework's server, in a process of its own. */
export interface RunningServer {
  /** Where it serves MCP. */
  readonly url: URL;
  /** What it has written so far. */
  output(): string;
  stop(): Promise<void>;
}

/**
 * Starts the server of a framework and waits until it answers.
 *
 * @param node - the program that runs it
 * @param environment - variables of its process
 */
export async function startServer(
  { folder, program = "server.ts", build, environment: own }: Framework,
  node: string,
  environment: Readonly<Record<string, string>>,
): Promise<RunningServer> {
  const cwd = join(import.meta.dirname, "frameworks", folder);
  const port = await findPort();
  const env = { ...process.env, ...environment, ...own?.(port), PORT: `${port}` };
  if (build !== undefined) await run(node, build, { cwd, env });
  const child = spawn(node, ["--import", import.meta.resolve("tsx"), program], {
    cwd,
    env,
    // In a group of its own, so that what it starts is stopped with it (workerd).
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => written.push(String(chunk)));
  const server = {
    url: new URL(`http://127.0.0.1:${port}/mcp`),
    output: () => written.join(""),
    stop: () => stop(child),
  };
  try {
    await vi.waitFor(() => answers(server.url, child), { timeout: 60_000, interval: 100 });
  } catch (error) {
    await server.stop();
    throw new Error(`the server of ${folder} does not answer:\n${server.output()}`, { cause: error });
  }
  return server;
}

async function answers(url: URL, child: ChildProcess): Promise<void> {
  // What has ended will not answer later, either.
  if (child.exitCode !== null) return Promise.reject(new Error(`it ended with ${child.exitCode}`));
  await (await fetch(url, { method: "POST" })).body?.cancel();
}

/** A port that nobody listens to. */
async function findPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("a TCP server has a port");
  return address.port;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  process.kill(-child.pid, "SIGKILL");
  await ended;
}
