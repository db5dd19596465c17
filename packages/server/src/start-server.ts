import { randomBytes, randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { type DestinationStream, pino } from "pino";
import { createKeyAuthenticator } from "./accounts/authenticate-key.ts";
import { createLastUsed } from "./accounts/last-used.ts";
import { createAgentAuthenticator } from "./agents/authenticate-agent.ts";
import { type Background, oncePer, runInBackground } from "./background.ts";
import { createLinkSigner } from "./billing/invoice-link.ts";
import { connectStripe, type StripeOptions } from "./billing/stripe.ts";
import { createApp } from "./http/app.ts";
import { createMetrics } from "./http/metrics.ts";
import { createRateLimiter, type RateLimits } from "./http/rate-limits.ts";
import type { AnsweredCall } from "./http/report-calls.ts";
import { createLog } from "./log.ts";
import { createBudgetedRecorder } from "./metering/budgeted-recorder.ts";
import { createRecorder } from "./metering/recorder.ts";
import { createIds } from "./new-ids.ts";
import { type ScheduleOptions, scheduleTasks } from "./scheduled-tasks.ts";
import type { Services } from "./services.ts";
import type { Database } from "./store/database.ts";
import { measureDatabase } from "./store/measure-database.ts";
import { keepSecretKey } from "./store/secret-key.ts";
import { version } from "./version.ts";
import { createDelivery } from "./webhooks/delivery.ts";
import { createWebhookSigner } from "./webhooks/signing.ts";
import { within } from "./within.ts";

/** Options for running the API. */
export interface ServerOptions extends ScheduleOptions {
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
  /** Destination of the log, as JSON lines; standard error by default. */
  readonly logDestination?: DestinationStream;
  /** Returns the current time; reads the system's clock by default. */
  readonly now?: () => Date;
  /**
   * Source of webhooks' signing secrets, at least 16 characters. With the embedded database, one is made and
   * kept in the data directory by default; without one on PostgreSQL, no webhook can be created.
   */
  readonly secretKey?: string;
  /** The secret key before, while receivers of webhooks still have secrets that follow from it. */
  readonly previousSecretKey?: string;
  /** Allows webhooks to be sent to private, loopback and link-local addresses. False by default. */
  readonly allowPrivateWebhooks?: boolean;
  /** Limits on the requests that are answered in a minute. */
  readonly rateLimits?: RateLimits;
  /** Number of proxies in front of the server that are believed about a caller's address. 0 by default. */
  readonly trustedProxies?: number;
  /**
   * Directory of the owner's console, which is served at `/console`: `consoleDirectory` of `@licentric/console`. None by
   * default, and `/console` says how to get it.
   */
  readonly consoleDirectory?: string;
  /** Bearer token that `GET /metrics` requires; it is open by default. */
  readonly metricsToken?: string;
  /** Milliseconds in which a request must have arrived whole; slow ones are shed. 30000 by default. */
  readonly requestTimeout?: number;
  /**
   * Milliseconds in which a request that has arrived is answered, by 503 `UNAVAILABLE` if need be. 10000 by default.
   * What it waits for Stripe is not counted.
   */
  readonly answerTimeout?: number;
  /** Milliseconds after which {@link RunningServer.close} cuts off what is in flight. 15000 by default. */
  readonly shutdownTimeout?: number;
  /**
   * Is called with each agent's call as it is answered, to be shown while somebody develops. It slows a busy server
   * down: in production, `/metrics` counts them.
   */
  readonly onCall?: (call: AnsweredCall) => void;
}

/** A running API. */
export interface RunningServer {
  /** URL at which the API answers, for example `http://127.0.0.1:4242`. */
  readonly url: string;
  /**
   * Stops taking requests, waits for those in flight, and resolves when all of them are answered, or the time
   * for it is over.
   *
   * @param reason is in the log, for example `SIGTERM`.
   */
  close(reason?: string): Promise<void>;
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
 * @throws {RangeError} when the Stripe key is not valid, or the secret key is too short.
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
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host = "127.0.0.1", port = DEFAULT_PORT, stripe, now = () => new Date() } = options;
  const { allowPrivateWebhooks = false, logLevel = "info", logDestination = pino.destination(2) } = options;
  const log = createLog(logLevel, logDestination);
  const newId = createIds(randomBytes);
  const metrics = createMetrics(options.db, now);
  const db = measureDatabase(options.db, metrics.queryRun);
  const secretKey = options.secretKey ?? (db.directory === null ? null : await keepSecretKey(db.directory));
  const signer = secretKey === null ? null : createWebhookSigner(secretKey, options.previousSecretKey);
  const limiter = createRateLimiter(db, now);
  const stripeConnection = stripe === undefined ? null : connectStripe(stripe, metrics.stripeAsked);
  const lastUsed = createLastUsed(db, {
    onError: (error) => log.warn({ err: error }, "last-used times could not be written yet"),
  });
  const recording = { db, now, newId, onBatch: metrics.batchRun, onEvent: metrics.eventRecorded };
  const services: Services = {
    db,
    now,
    newId,
    newReservationId: randomUUID,
    randomBytes,
    keys: createKeyAuthenticator(db, now),
    agents: createAgentAuthenticator(db, now),
    lastUsed,
    answerTimeout: options.answerTimeout ?? ANSWER_TIMEOUT,
    record: createRecorder(recording),
    recordBudgeted: createBudgetedRecorder(recording),
    stripe: stripeConnection,
    links: secretKey === null ? null : createLinkSigner(secretKey, options.previousSecretKey),
    webhooks: { signer, allowPrivate: allowPrivateWebhooks },
  };
  const app = createApp(services, log, {
    metrics,
    limiter,
    rateLimits: options.rateLimits ?? {},
    trustedProxies: options.trustedProxies ?? 0,
    consoleDirectory: options.consoleDirectory ?? null,
    metricsToken: options.metricsToken ?? null,
    requestTimeout: options.requestTimeout ?? REQUEST_TIMEOUT,
    onCall: options.onCall,
  });
  const delivery =
    signer === null
      ? null
      : createDelivery({ db, now, newId, randomBytes, signer, allowPrivate: allowPrivateWebhooks, log });

  const background: Background[] = [];
  const stopBackground = async () => {
    await Promise.all(background.map((one) => one.close()));
    await delivery?.close();
    await lastUsed.close();
  };
  const every = (interval: number, what: string, task: () => Promise<void>) => {
    const onError = oncePer(SAME_FAULT_LOGGED_EVERY, (error: unknown) =>
      log.error({ err: error }, `${what} failed; it runs again`),
    );
    background.push(runInBackground(task, { interval, onError }));
  };
  try {
    const url = await app.listen({ host, port });
    scheduleTasks(every, options, { services, limiter, delivery, log });
    log.info(
      {
        version,
        node: process.version,
        database: db.kind,
        stripe: stripeConnection?.mode ?? null,
        autoClose: options.autoClose !== undefined,
        webhooks: signer !== null,
        url,
      },
      "started",
    );
    return {
      url,
      close: async (reason = "closed by the program") => {
        const limit = options.shutdownTimeout ?? SHUTDOWN_TIMEOUT;
        log.info({ reason }, "stopping: no new request is taken, those in flight are answered");
        await within(limit, drain(app).then(stopBackground), () => {
          log.error(`not everything came to an end within ${limit / 1_000} s; what is in flight is cut off`);
          app.server.closeAllConnections();
        });
        log.info({ reason }, "stopped");
      },
    };
  } catch (error) {
    await app.close();
    await stopBackground();
    throw startError(error, host, port);
  }
}

/**
 * Closes the app when every request in flight is answered. A client keeps its connection after its answer,
 * and would hold the server up by it, so connections are closed as they become idle.
 */
async function drain(app: FastifyInstance): Promise<void> {
  const closing = setInterval(() => app.server.closeIdleConnections(), DRAIN_INTERVAL);
  try {
    await app.close();
  } finally {
    clearInterval(closing);
  }
}

const DRAIN_INTERVAL = 50;
const REQUEST_TIMEOUT = 30_000;
const ANSWER_TIMEOUT = 10_000;
const SHUTDOWN_TIMEOUT = 15_000;
const SAME_FAULT_LOGGED_EVERY = 60_000;

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
      `"${host}" is not an address of this machine. Choose 127.0.0.1, 0.0.0.0 or one that it has.`,
    );
  }
  return error;
}
