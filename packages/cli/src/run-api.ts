import { constants } from "node:os";
import type { Config, Database, RunningServer } from "@licentric/server";
import { withProgress } from "./terminal/progress.ts";

/**
 * Runs the API until the process is told to stop (SIGTERM or SIGINT). Then it takes no new request, answers those
 * in flight as long as the server's `shutdownTimeout` lets it, closes the database, and lets the process end. A second
 * signal ends it at once.
 *
 * @param onReady is called when the API answers requests. Where it resolves to a promise in an object, the API stops
 * when that is settled, too.
 */
export async function runApi(
  { database, server: options }: Config,
  onReady: (server: RunningServer, db: Database) => undefined | Promise<{ ended: Promise<void> } | undefined>,
): Promise<void> {
  // The first process of a container has no default behaviour: a signal during the start would be lost.
  const early = (signal: NodeJS.Signals) => process.exit(128 + constants.signals[signal]);
  for (const signal of STOPPING) process.once(signal, early);
  const { consoleDirectory } = await import("@licentric/console");
  const { openDatabase, startServer } = await import("@licentric/server");
  const db = await withProgress("opening the database", () => openDatabase(database));
  let server: RunningServer;
  try {
    server = await startServer({ db, consoleDirectory, ...options });
  } catch (error) {
    await db.close();
    throw error;
  }
  for (const signal of STOPPING) process.off(signal, early);
  const stopped = stopSignal();
  let reason = "an error at the start";
  try {
    const work = await onReady(server, db);
    const ended = work?.ended.then(() => "the program has ended");
    reason = await (ended === undefined ? stopped : Promise.race([stopped, ended]));
    await ended;
  } finally {
    await server.close(reason);
    await db.close();
    // Each had its time. Something that holds the process even so is not waited for; nothing does as a rule.
    setTimeout(() => process.exit(), TIME_TO_END).unref();
  }
}

/** The signals that tell the process to stop. */
const STOPPING = ["SIGTERM", "SIGINT"] as const;

/** Milliseconds. */
const TIME_TO_END = 1_000;

/** The name of the signal that tells the process to stop. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of STOPPING) {
      process.once(signal, () => {
        resolve(signal);
        for (const second of STOPPING)
          process.once(second, () => process.exit(128 + constants.signals[second]));
      });
    }
  });
}
