import {
  type Database,
  openDatabase,
  type RunningServer,
  type ServerOptions,
  startServer,
} from "@licentric/server";
import type { DatabaseOptions, ListenOptions } from "./options.ts";

/** Opens the database that the options name. */
export function openDatabaseOf({ databaseUrl, dataDir }: DatabaseOptions): Promise<Database> {
  return openDatabase(databaseUrl === undefined ? { dataDirectory: dataDir } : { databaseUrl });
}

/**
 * Runs the API until the process is told to stop (SIGTERM or SIGINT). Then it takes no new request, answers those
 * under way, closes the database, and lets the process end. A second signal ends it at once.
 *
 * @param onReady is called when the API answers requests.
 */
export async function runApi(
  options: ListenOptions & Pick<ServerOptions, "logLevel">,
  env: NodeJS.ProcessEnv,
  onReady: (server: RunningServer, db: Database) => void | Promise<void>,
): Promise<void> {
  const db = await openDatabaseOf(options);
  let server: RunningServer;
  try {
    const apiKey = env["STRIPE_API_KEY"];
    const baseUrl = env["STRIPE_BASE_URL"];
    server = await startServer({
      db,
      host: options.host,
      port: options.port,
      ...(options.logLevel && { logLevel: options.logLevel }),
      ...(apiKey ? { stripe: { apiKey, ...(baseUrl ? { baseUrl } : {}) } } : {}),
    });
  } catch (error) {
    await db.close();
    throw error;
  }
  const stopped = stopSignal();
  await onReady(server, db);
  await stopped;
  await server.close();
  await db.close();
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    // `once`: a second signal meets the default behaviour, which ends the process.
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
}
