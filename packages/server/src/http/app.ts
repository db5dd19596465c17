import type { Server } from "node:http";
import { MAX_BODY_SIZE, routes } from "@licentric/contract";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  LogController,
} from "fastify";
import { monotonicFactory } from "ulid";
import { accountRoutes } from "../accounts/routes.ts";
import { agentRoutes } from "../agents/routes.ts";
import { auditRoutes } from "../audit/routes.ts";
import { invoicePageRoutes } from "../billing/invoice-page-route.ts";
import { billingRoutes } from "../billing/routes.ts";
import { stripeWebhookRoutes } from "../billing/stripe-webhook.ts";
import { consolePageRoutes } from "../console/pages-route.ts";
import { consoleRoutes } from "../console/routes.ts";
import { customerRoutes } from "../customers/routes.ts";
import { InexactNumberError } from "../exact-integer.ts";
import { meteringRoutes } from "../metering/routes.ts";
import type { Services } from "../services.ts";
import { DatabaseUnavailableError, type Unavailability } from "../store/database.ts";
import { webhookRoutes } from "../webhooks/routes.ts";
import { ApiError } from "./api-error.ts";
import { readCredentials } from "./bearer.ts";
import { createFailedSignIns } from "./failed-sign-ins.ts";
import { measureRequests } from "./metrics.ts";
import { openApiRoutes } from "./openapi.ts";
import { type OperatingOptions, operatingRoutes } from "./operating.ts";
import { limitRates, type RateLimiter, type RateLimits } from "./rate-limits.ts";
import { type AnsweredCall, reportCalls } from "./report-calls.ts";
import { answerUnreadable, answerUnroutable } from "./unreadable.ts";

// An id is not secret: the system is not asked for randomness for each letter of it.
const nextRequestId = monotonicFactory(Math.random);

const HEADERS_TIMEOUT = 10_000;

/** Options for serving the app. */
export interface AppOptions extends OperatingOptions {
  readonly limiter: RateLimiter;
  readonly rateLimits: RateLimits;
  readonly trustedProxies: number;
  /** Directory of the console's built files; null: there are none. */
  readonly consoleDirectory: string | null;
  /** Milliseconds in which a request must have arrived whole. */
  readonly requestTimeout: number;
  readonly onCall: ((call: AnsweredCall) => void) | undefined;
}

/** The HTTP app: every route, the error envelope, request ids. It does not listen yet. */
export function createApp(services: Services, log: FastifyBaseLogger, options: AppOptions): FastifyInstance {
  const { requestTimeout, trustedProxies } = options;
  const app = Fastify<Server>({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => nextRequestId(),
    requestTimeout,
    // A connection on which nothing moves is dropped, such as one that takes no answer.
    connectionTimeout: 2 * requestTimeout,
    http: {
      headersTimeout: Math.min(HEADERS_TIMEOUT, requestTimeout),
      connectionsCheckingInterval: Math.min(5_000, requestTimeout),
    },
    trustProxy: trustedProxies === 0 ? false : (_, hop) => hop < trustedProxies,
    bodyLimit: MAX_BODY_SIZE,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: false },
    clientErrorHandler: answerUnreadable,
    frameworkErrors: answerUnroutable,
  });

  app.addHook("onRequest", (request, reply, done) => {
    reply.header("x-request-id", request.id);
    // Tells a client that what is answered is on the disk: there is no buffer to wait for before a close.
    reply.header("licentric-durable", "true");
    // Some answers have a secret in them, and all are about one account: no cache between may keep any.
    reply.header("cache-control", "no-store");
    done();
  });
  measureRequests(app, options.metrics);
  readCredentials(app);
  if (options.onCall !== undefined) reportCalls(app, options.onCall, services.now);
  limitRates(app, options.limiter, options.rateLimits, services.now);

  parseJsonBodies(app);
  answerErrors(app, options.metrics);

  const registrations = [
    accountRoutes,
    agentRoutes,
    meteringRoutes,
    billingRoutes,
    invoicePageRoutes,
    customerRoutes,
    auditRoutes,
    webhookRoutes,
    consoleRoutes(options.limiter),
    consolePageRoutes(options.consoleDirectory),
    stripeWebhookRoutes,
    operatingRoutes(options),
    openApiRoutes(routes),
  ].flat();
  for (const register of registrations) register(app, services);
  return app;
}

function parseJsonBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, text, done) => {
    // Both members of verify are optional, so clients send no body at all with a JSON content type.
    if (text === "") done(null, undefined);
    else parseJson(request, String(text), done);
  });
}

/** Answers what was thrown, and what no route takes, in the error envelope. */
function answerErrors(app: FastifyInstance, metrics: AppOptions["metrics"]): void {
  const noteFailedSignIn = createFailedSignIns(metrics);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const known = toApiError(error);
    metrics.refused(known.code);
    if (known.status >= 500)
      request.log.error({ err: error, route: request.routeOptions.url }, known.message);
    if (known.code === "UNAVAILABLE") reply.header("retry-after", "1");
    if (known.code === "UNAUTHORIZED") {
      reply.header("www-authenticate", "Bearer");
      noteFailedSignIn(request, known);
    }
    return reply.status(known.status).send({
      error: known.message,
      code: known.code,
      ...(known.details && { details: known.details }),
      requestId: request.id,
    });
  });
  app.setNotFoundHandler((request) => {
    throw new ApiError(
      "NOT_FOUND",
      `There is no ${request.method} ${request.url.split("?")[0]}. See /api/v1/openapi.json.`,
    );
  });
}

const UNAVAILABLE: Readonly<Record<Unavailability, string>> = {
  unreachable: "The database cannot be reached right now.",
  "read-only": "The database takes no changes right now.",
  "disk-full": "The disk of the database is full.",
  busy: "The database is too busy right now.",
};

/** Converts an error to the one that the caller is told; an unexpected one's details stay in the log. */
function toApiError(error: FastifyError): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof DatabaseUnavailableError) {
    const repeat = "Nothing was recorded for certain; repeat the request with the same Idempotency-Key.";
    return new ApiError("UNAVAILABLE", `${UNAVAILABLE[error.reason]} ${repeat}`);
  }
  if (error instanceof InexactNumberError) {
    return new ApiError(
      "UNPROCESSABLE",
      `A sum or an amount passes ${Number.MAX_SAFE_INTEGER}, the most that JSON carries exactly. Nothing was changed. Ask for less at once, or correct the price.`,
    );
  }
  switch (error.statusCode) {
    case 400:
      return new ApiError(
        "VALIDATION_ERROR",
        `The request cannot be read: ${error.message}. Send one JSON object.`,
      );
    case 413:
      return new ApiError(
        "PAYLOAD_TOO_LARGE",
        `The body is larger than ${MAX_BODY_SIZE} bytes. Send it in smaller batches.`,
      );
    case 415:
      return new ApiError(
        "UNSUPPORTED_MEDIA_TYPE",
        'Send the body as JSON, with "Content-Type: application/json".',
      );
    default:
      return new ApiError(
        "INTERNAL_ERROR",
        "Something went wrong on the server. Its log says what, under this requestId.",
      );
  }
}
