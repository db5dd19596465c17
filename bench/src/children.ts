import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const Usage = z.object({ user: z.number(), system: z.number(), rss: z.number() });
const Told = z.object({ url: z.url(), apiKey: z.string().optional() });

/** A server in a process of its own. */
export interface Child extends z.output<typeof Told> {
  /** Microseconds of processor time that the process has used so far; only of the benchmarks' own servers. */
  processorTime(): Promise<number>;
  /** Bytes of memory that the process holds; only of the benchmarks' own servers. */
  memory(): Promise<number>;
  stop(): Promise<void>;
}

/** Starts one of the servers of the benchmarks, and resolves when it says where it answers. */
export function startChild(name: string, env: Readonly<Record<string, string>> = {}): Promise<Child> {
  return startProgram(fileURLToPath(new URL(`${name}.mjs`, import.meta.url)), [], env);
}

/** Starts a program whose first line is JSON that says where it answers, and resolves when that is said. */
export async function startProgram(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Child> {
  const child = spawn(process.execPath, [file, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  if (child.stdout === null) throw new Error(`${file} has no output`);
  const ended = once(child, "exit");
  const first = await Promise.race([once(createInterface(child.stdout), "line"), ended.then(() => [])]);
  if (first.length === 0) throw new Error(`${file} did not start`);
  const usage = async () => {
    const told = once(child, "message");
    child.send("usage");
    return Usage.parse((await told)[0]);
  };
  return {
    ...Told.parse(JSON.parse(String(first[0]))),
    async processorTime() {
      const { user, system } = await usage();
      return user + system;
    },
    memory: async () => (await usage()).rss,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** Tells the parent process, whenever it asks, how much processor time this one has used, and its memory. */
export function tellUsage(): void {
  process.on("message", () => process.send?.({ ...process.cpuUsage(), rss: process.memoryUsage.rss() }));
  // The question may come, and is not waited for.
  process.channel?.unref();
}
