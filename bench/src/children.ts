import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { z } from "zod";

const Told = z.object({ url: z.url(), apiKey: z.string().optional() });

/** A server in a process of its own. */
export interface Child extends z.output<typeof Told> {
  stop(): Promise<void>;
}

/** Starts a server of this folder, and resolves when it says where it answers. */
export async function startChild(file: string, env: Readonly<Record<string, string>> = {}): Promise<Child> {
  const child = spawn(process.execPath, ["--import", "tsx", new URL(file, import.meta.url).pathname], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const first = await Promise.race([once(createInterface(child.stdout), "line"), ended.then(() => [])]);
  if (first.length === 0) throw new Error(`${file} did not start`);
  return {
    ...Told.parse(JSON.parse(String(first[0]))),
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
