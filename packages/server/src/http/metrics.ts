import type { FastifyInstance } from "fastify";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { onlyRow, type Queryable } from "../store/database.ts";

/** What the server tells Prometheus. No label names an account, an agent or a key. */
export interface Metrics {
  readonly registry: Registry;
  /** Counts an event that was recorded, or that had been before. */
  eventRecorded(duplicate: boolean): void;
  /** Notes how many events shared one commit. */
  batchRun(size: number): void;
}

// Once per process, however many servers run in it.
const processRegistry = new Registry();
let processMetrics = false;

/** Makes the metrics of one server. */
export function createMetrics(db: Queryable): Metrics {
  if (!processMetrics) collectDefaultMetrics({ register: processRegistry });
  processMetrics = true;
  const registry = new Registry();
  const events = new Counter({
    name: "licentric_events_recorded_total",
    help: "Usage events by outcome: recorded, or duplicate.",
    labelNames: ["outcome"],
    registers: [registry],
  });
  const batches = new Histogram({
    name: "licentric_record_batch_size",
    help: "Usage events that shared one commit.",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000],
    registers: [registry],
  });
  new Gauge({
    name: "licentric_webhook_outbox_backlog",
    help: "Webhook deliveries that are still to be made.",
    registers: [registry],
    async collect() {
      const rows = await db.query<{ count: number }>(
        "SELECT count(*) FROM webhook_deliveries WHERE next_attempt_at IS NOT NULL",
      );
      this.set(onlyRow(rows).count);
    },
  });
  return {
    registry,
    eventRecorded: (duplicate) => events.inc({ outcome: duplicate ? "duplicate" : "recorded" }),
    batchRun: (size) => batches.observe(size),
  };
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
export async function metricsText({ registry }: Metrics): Promise<{ type: string; text: string }> {
  const all = Registry.merge([processRegistry, registry]);
  return { type: all.contentType, text: await all.metrics() };
}
