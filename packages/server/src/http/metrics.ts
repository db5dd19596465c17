import type { FastifyInstance } from "fastify";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type Database, DatabaseUnavailableError } from "../store/database.ts";
import type { OnQuery } from "../store/measure-database.ts";
import { version } from "../version.ts";
import { gaugeBacklog } from "./backlog-metrics.ts";

/** Metrics that the server exposes to Prometheus. No label names an account, an agent or a key. */
export interface Metrics {
  readonly registry: Registry;
  /** Reads anew what waits in the database to be done. */
  refresh(): Promise<void>;
  /** Counts an event that was recorded, or that had been before. */
  eventRecorded(duplicate: boolean): void;
  /** Notes how many events shared one commit. */
  batchRun(size: number): void;
  /** Times a statement or a transaction, and counts those that the database did not do. */
  readonly queryRun: OnQuery;
  /** Counts a request that was answered with an error, by its code. */
  refused(code: string): void;
  /** Counts a credential that did not let its holder in. */
  signInFailed(credential: string, reason: string): void;
  /** Times a request to Stripe, by what came of it. */
  stripeAsked(outcome: string, milliseconds: number): void;
}

// Once per process, however many servers run in it.
const processRegistry = new Registry();
let processMetrics = false;

/** Makes the metrics of one server. */
export function createMetrics(db: Database, now: () => Date): Metrics {
  if (!processMetrics) collectDefaultMetrics({ register: processRegistry });
  processMetrics = true;
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string, ...labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers });

  const events = counter(
    "licentric_events_recorded_total",
    "Usage events by outcome: recorded, or duplicate.",
    "outcome",
  );
  const batches = new Histogram({
    name: "licentric_record_batch_size",
    help: "Usage events that shared one commit.",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000],
    registers,
  });
  const refusals = counter(
    "licentric_refusals_total",
    "Requests answered with an error, by its code.",
    "code",
  );
  const signIns = counter(
    "licentric_failed_sign_ins_total",
    "Credentials that did not let their holders in, by kind and reason.",
    "credential",
    "reason",
  );
  const info = new Gauge({
    name: "licentric_info",
    help: "Always 1; its labels say what runs.",
    labelNames: ["version", "database"],
    registers,
  });
  info.set({ version, database: db.kind }, 1);
  const refresh = gaugeBacklog(registry, db, now);
  gaugeConnections(registry, db);
  return {
    registry,
    refresh,
    eventRecorded: (duplicate) => events.inc({ outcome: duplicate ? "duplicate" : "recorded" }),
    batchRun: (size) => batches.observe(size),
    queryRun: timeQueries(registry),
    refused: (code) => refusals.inc({ code }),
    signInFailed: (credential, reason) => signIns.inc({ credential, reason }),
    stripeAsked: timeStripe(registry),
  };
}

const QUERY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

function timeQueries(registry: Registry): OnQuery {
  const registers = [registry];
  const durations = new Histogram({
    name: "licentric_database_query_duration_seconds",
    help: "Time of a statement, or of a whole transaction, with the wait for a connection.",
    labelNames: ["statement"],
    buckets: QUERY_BUCKETS,
    registers,
  });
  const failures = new Counter({
    name: "licentric_database_failures_total",
    help: "Statements and transactions that the database did not do, by reason.",
    labelNames: ["reason"],
    registers,
  });
  return (statement, milliseconds, error) => {
    durations.observe({ statement }, milliseconds / 1_000);
    if (error instanceof DatabaseUnavailableError) failures.inc({ reason: error.reason });
  };
}

function timeStripe(registry: Registry): Metrics["stripeAsked"] {
  const durations = new Histogram({
    name: "licentric_stripe_request_duration_seconds",
    help: "Time of a request to Stripe, by outcome: ok, refused (4xx), rate-limited, failed (5xx) or unreachable.",
    labelNames: ["outcome"],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20],
    registers: [registry],
  });
  return (outcome, milliseconds) => durations.observe({ outcome }, milliseconds / 1_000);
}

function gaugeConnections(registry: Registry, { connections }: Database): void {
  if (connections === undefined) return;
  new Gauge({
    name: "licentric_database_connections",
    help: "Connections to PostgreSQL by state, and under waiting what waits for one.",
    labelNames: ["state"],
    registers: [registry],
    collect() {
      const { open, idle, waiting } = connections();
      this.set({ state: "used" }, open - idle);
      this.set({ state: "idle" }, idle);
      this.set({ state: "waiting" }, waiting);
    },
  });
  new Gauge({
    name: "licentric_database_connections_max",
    help: "The most connections to PostgreSQL that this process keeps.",
    registers: [registry],
  }).set(connections().max);
}

/** Counts and times every request, by its route as the table writes it, so that ids make no labels. */
export function measureRequests(app: FastifyInstance, { registry }: Metrics): void {
  const labelNames = ["method", "route", "status"] as const;
  const requests = new Counter({
    name: "licentric_http_requests_total",
    help: "Requests answered.",
    labelNames,
    registers: [registry],
  });
  const durations = new Histogram({
    name: "licentric_http_request_duration_seconds",
    help: "Time from a request's arrival to its answer.",
    labelNames,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  app.addHook("onResponse", (request, reply, done) => {
    const labels = {
      method: request.method,
      route: request.routeOptions.url ?? "none",
      status: String(reply.statusCode),
    };
    requests.inc(labels);
    durations.observe(labels, reply.elapsedTime / 1_000);
    done();
  });
}

/** All metrics as text. */
export async function metricsText({ registry, refresh }: Metrics): Promise<{ type: string; text: string }> {
  await refresh();
  const all = Registry.merge([processRegistry, registry]);
  return { type: all.contentType, text: await all.metrics() };
}
