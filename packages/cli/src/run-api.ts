import type { Config, Database, RunningServer } from "@licentric/server";
import { withProgress } from "./terminal/progress.ts";

/**
 * Runs the API until the process is told to stop (SIGTERM or SIGINT). Then it takes no new request, answers those
 * under way as long as the server's `shutdownTimeout` lets it, closes the database, and lets the process end. A second
 * signal ends it at once.
 *
 * @param onReady is called when the API answers requests. Where it resolves to a promise in an object, the API stops
 * when that is settled, too.
 */
export async function runApi(
  { database, server: options }: Config,
  onReady: (server: RunningServer, db: Database) => undefined | Promise<{ ended: Promise<void> } | undefined>,
): Promise<void> {
  const { openDatabase, startServer } = await import("@licentric/server");
  const db = await withProgress("opening the database", () => openDatabase(database));
  let server: RunningServer;
  try {
    server = await startServer({ db, ...options });
  } catch (error) {
    await db.close();
    throw error;
  }
  const stopped = stopSignal();
  try {
    const work = await onReady(server, db);
    await Promise.race([stopped, ...(work ? [work.ended] : [])]);
    await work?.ended;
  } finally {
    await server.close();
    await db.close();
    // Each had its time. Something that holds the process even so is not waited for; nothing does as a rule.
    setTimeout(() => process.exit(), TIME_TO_END).unref();
  }
}

/** Milliseconds. */
const TIME_TO_END = 1_000;

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    // `once`: a second signal meets the default behaviour, which ends the process.
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
}
