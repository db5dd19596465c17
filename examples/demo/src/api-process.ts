import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const commandLine = fileURLToPath(new URL("../../../packages/cli/src/bin.ts", import.meta.url));

/** The API in a process of its own, run by the command line as a user runs it. */
export interface ApiProcess {
  readonly url: string;
  /** The first management key; only the first start on a data directory makes one. */
  readonly apiKey: string | undefined;
  /** Ends the process with a signal, and resolves when it is gone. */
  stop(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/** Runs `licentric dev --json` and resolves when it answers requests. */
export async function startApi(dataDirectory: string, port: number): Promise<ApiProcess> {
  const args = ["dev", "--json", "--port", String(port), "--data-dir", dataDirectory];
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), commandLine, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, DATABASE_URL: undefined, LICENTRIC_DATA_DIR: undefined, HOST: undefined },
  });
  const endWithUs = () => child.kill("SIGKILL");
  process.once("exit", endWithUs);
  const { url, apiKey } = await firstLine(child);
  return {
    url,
    apiKey,
    stop: async (signal) => {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, "exit");
        child.kill(signal);
        await gone;
      }
      process.off("exit", endWithUs);
    },
  };
}

async function firstLine(child: ChildProcess): Promise<{ url: string; apiKey?: string }> {
  if (child.stdout === null) throw new Error("the API process has no standard output");
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line);
  throw new Error("the API ended before it was ready; its message is above");
}
