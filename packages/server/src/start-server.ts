import { randomBytes, randomUUID } from "node:crypto";
import { type DestinationStream, pino } from "pino";
import { v7 as uuidv7 } from "uuid";
import { createKeyAuthenticator } from "./accounts/authenticate-key.ts";
import { createLastUsed } from "./accounts/last-used.ts";
import { createAgentAuthenticator } from "./agents/authenticate-agent.ts";
import { connectStripe, type StripeOptions } from "./billing/stripe.ts";
import { createApp } from "./http/app.ts";
import { createBudgetedRecorder } from "./metering/budgeted-recorder.ts";
import { createRecorder } from "./metering/recorder.ts";
import type { Services } from "./services.ts";
import type { Database } from "./store/database.ts";

/** How the API is run. */
export interface ServerOptions {
  /** An open database; {@link openDatabase} opens one. It stays open when the server closes. */
  readonly db: Database;
  /** `127.0.0.1` by default. */
  readonly host?: string;
  /** `4242` by default; 0 takes any free port. */
  readonly port?: number;
  /** No Stripe by default: invoices are computed and not sent. */
  readonly stripe?: StripeOptions;
  /** `info` by default. */
  readonly logLevel?: "fatal" | "error" | "warn" | "info" | "debug" | "silent";
  /** Where the log goes, as JSON lines; standard error by default. */
  readonly logDestination?: DestinationStream;
  /** Where "now" comes from; the system's clock by default. */
  readonly now?: () => Date;
}

/** A running API. */
export interface RunningServer {
  /** Where it answers, for example `http://127.0.0.1:4242`. */
  readonly url: string;
  /** Stops taking requests, waits for those under way, and resolves when all of them are answered. */
  close(): Promise<void>;
}

/** The port of the API where none is given. */
export const DEFAULT_PORT = 4242;

/** The server cannot start as it was told to; the message says what to do. */
export class ServerStartError extends Error {
  override readonly name = "ServerStartError";
}

/**
 * Starts the API.
 *
 * @throws {ServerStartError} when the port is in use or may not be used.
 * @throws {RangeError} when the Stripe key is none.
 *
 * @example
 * ```ts
 * const db = await openDatabase({ dataDirectory: "./data" });
 * const server = await startServer({ db, port: 4242 });
 * console.log(server.url);
 * await server.close();
 * await db.close();
 * ```
 */
export async function startServer({
  db,
  host = "127.0.0.1",
  port = DEFAULT_PORT,
  stripe,
  logLevel = "info",
  logDestination = pino.destination(2),
  now = () => new Date(),
}: ServerOptions): Promise<RunningServer> {
  const log = pino(
    { level: logLevel, redact: ["req.headers.authorization", "headers.authorization"] },
    logDestination,
  );
  const newId = () => uuidv7();
  const lastUsed = createLastUsed(db, {
    onError: (error) => log.warn({ err: error }, "last-used times could not be written yet"),
  });
  const services: Services = {
    db,
    now,
    newId,
    newReservationId: randomUUID,
    randomBytes,
    authenticateKey: createKeyAuthenticator(db),
    authenticateAgent: createAgentAuthenticator(db, now),
    lastUsed,
    record: createRecorder({ db, now, newId }),
    recordBudgeted: createBudgetedRecorder({ db, now, newId }),
    stripe: stripe === undefined ? null : connectStripe(stripe),
  };
  const app = createApp(services, log);
  try {
    const url = await app.listen({ host, port });
    return {
      url,
      close: async () => {
        await app.close();
        await lastUsed.close();
      },
    };
  } catch (error) {
    await app.close();
    await lastUsed.close();
    throw startError(error, host, port);
  }
}

function startError(error: unknown, host: string, port: number): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") {
    return new ServerStartError(
      `Port ${port} is in use. Stop what listens there, or choose another port (PORT, --port).`,
    );
  }
  if (code === "EACCES")
    return new ServerStartError(`Port ${port} may not be used by this user. Choose one above 1023.`);
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return new ServerStartError(
      `${host} is no address of this machine. Choose 127.0.0.1, 0.0.0.0 or one that it has.`,
    );
  }
  return error;
}
