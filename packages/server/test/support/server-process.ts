import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { inject } from "vitest";
import type { DatabaseLocation } from "../../src/store/open-database.ts";

/** The limits of an API that is run as a process of its own, in milliseconds. */
export interface TestLimits {
  readonly connectTimeout?: number;
  readonly queryTimeout?: number;
  readonly answerTimeout?: number;
  readonly shutdownTimeout?: number;
}

/** The API in a process of its own. */
export interface ServerProcess {
  readonly url: string;
  /** What it has logged until now. */
  readonly log: () => string;
  /** Ends it at once: nothing of it runs on. What it has written stays, as it does not when the power is cut. */
  kill(): Promise<void>;
  /** Lets it finish what is in progress. */
  stop(): Promise<void>;
  /** Has an embedded database begin a new file of its log, and make a checkpoint, without waiting for either. */
  switchLog(): void;
}

/** Starts the API in a process of its own and waits until it answers. */
export async function startServerProcess(
  location: DatabaseLocation,
  {
    stripeUrl,
    limits = {},
    env,
  }: { stripeUrl?: string; limits?: TestLimits; env?: Record<string, string> } = {},
): Promise<ServerProcess> {
  const child = spawnProgram(location, { stripeUrl, limits, env });
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const exited = once(child, "exit");
  const line = await Promise.race([
    once(createInterface(child.stdout), "line").then(([text]) => String(text)),
    exited.then(() => null),
  ]);
  if (line === null) throw new Error(`the server did not start: ${errors}`);
  const { url }: { url: string } = JSON.parse(line);
  return {
    url,
    log: () => errors,
    kill: () => end(child, "SIGKILL", exited),
    stop: () => end(child, "SIGTERM", exited),
    switchLog: () => child.kill("SIGUSR2"),
  };
}

/** Starts the API in a process of its own, to be killed wherever it is by then. */
export function spawnServer(location: DatabaseLocation): Pick<ServerProcess, "kill"> {
  const child = spawnProgram(location, { limits: {} });
  const exited = once(child, "exit");
  return { kill: () => end(child, "SIGKILL", exited) };
}

interface ProgramOptions {
  readonly stripeUrl?: string | undefined;
  readonly limits: TestLimits;
  readonly env?: Record<string, string> | undefined;
}

function spawnProgram(location: DatabaseLocation, { stripeUrl, limits, env }: ProgramOptions) {
  return spawn(process.execPath, [inject("serverProgram")], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      ...("databaseUrl" in location
        ? { TEST_DATABASE_URL: location.databaseUrl }
        : { TEST_DATA_DIRECTORY: location.dataDirectory }),
      ...(stripeUrl !== undefined && { TEST_STRIPE_URL: stripeUrl }),
      TEST_LIMITS: JSON.stringify(limits),
      ...env,
    },
  });
}

async function end(
  child: ChildProcess,
  signal: "SIGKILL" | "SIGTERM",
  exited: Promise<unknown>,
): Promise<void> {
  child.kill(signal);
  await exited;
}
