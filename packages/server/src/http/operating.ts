import { createHash, timingSafeEqual } from "node:crypto";
import { unauthorized } from "./api-error.ts";
import { type Metrics, metricsText } from "./metrics.ts";
import type { RouteRegistration } from "./on-route.ts";
import { createReadinessCheck } from "./readiness.ts";

/** Options for the routes that operators of the server use. */
export interface OperatingOptions {
  readonly metrics: Metrics;
  /** `GET /metrics` asks for it as a bearer token; without one it is open. */
  readonly metricsToken: string | null;
}

/** `GET /healthz` (the process is up), `GET /readyz` (and answers a verify), `GET /metrics` (Prometheus). */
export function operatingRoutes({ metrics, metricsToken }: OperatingOptions): RouteRegistration[] {
  return [
    (app) => app.get("/healthz", async () => ({ status: "ok" })),
    (app, services) => {
      const check = createReadinessCheck(services);
      app.get("/readyz", async (request, reply) => {
        try {
          return { status: "ok", stripe: services.stripe?.mode ?? null, ...(await check()) };
        } catch (error) {
          request.log.warn({ err: error }, "not ready: the database does not do what a verify needs");
          return reply.status(503).header("retry-after", "1").send({ status: "unavailable" });
        }
      });
    },
    (app) =>
      app.get("/metrics", async (request, reply) => {
        if (metricsToken !== null && !isBearer(request.headers.authorization, metricsToken)) {
          const fault = request.headers.authorization === undefined ? "missing" : "unknown";
          throw unauthorized(fault, "The metrics need the token of LICENTRIC_METRICS_TOKEN.");
        }
        const { type, text } = await metricsText(metrics);
        return reply.type(type).send(text);
      }),
  ];
}

function isBearer(header: string | undefined, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(header ?? ""), digest(`Bearer ${token}`));
}
