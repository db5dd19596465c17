import { z } from "zod";
import { LEAST_DAYS, type Retention } from "./retention.ts";
import type { ServerOptions } from "./start-server.ts";
import type { DatabaseLocation } from "./store/open-database.ts";

/** Configuration of the server, read from environment variables. */
export interface Config {
  readonly database: DatabaseLocation;
  /** For {@link startServer}, with the open database added. */
  readonly server: Omit<ServerOptions, "db" | "now" | "logDestination">;
}

/** The environment is not right; the message names every variable that is wrong and says what to write. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

const DEFAULT_DATA_DIRECTORY = ".licentric/data";

const whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `must be a whole number from ${least} to ${most}`)
    .transform(Number)
    .pipe(z.number().min(least, `must be at least ${least}`).max(most, `must be at most ${most}`));
const milliseconds = whole(100, 600_000);
const days = whole(LEAST_DAYS, 36_500);
const flag = z
  .enum(["true", "false", "1", "0"], { error: "must be true or false" })
  .transform((text) => text === "true" || text === "1");
const stripeKey = z
  .string()
  .regex(
    /^[sr]k_(test|live)_\w+$/,
    "must be a secret or restricted key of Stripe's (sk_test_…, sk_live_…, rk_…)",
  );
const signingSecret = z
  .string()
  .regex(/^whsec_\S+$/, "must be the signing secret of the Stripe endpoint (whsec_…)");
const secret = z
  .string()
  .min(16, "must have at least 16 characters, for example of: openssl rand -base64 32");
const origin = z.url({ protocol: /^https?$/, error: "must be a URL that begins with http:// or https://" });
const postgresUrl = z.url({
  protocol: /^postgres(ql)?$/,
  error: "must be a URL of PostgreSQL: postgres://user:password@host:5432/database",
});

/** Every variable that the server reads, and what each may be. */
export const Environment = z
  .object({
    DATABASE_URL: postgresUrl,
    LICENTRIC_CONNECT_TIMEOUT: milliseconds,
    LICENTRIC_QUERY_TIMEOUT: milliseconds,
    LICENTRIC_PREPARED_STATEMENTS: flag,
    LICENTRIC_DATA_DIR: z.string(),
    DATA_DIR: z.string(),
    HOST: z.string().max(255),
    PORT: whole(0, 65_535),
    LOG_LEVEL: z.enum(["fatal", "error", "warn", "info", "debug", "silent"], {
      error: "must be one of fatal, error, warn, info, debug, silent",
    }),
    STRIPE_API_KEY: stripeKey,
    STRIPE_WEBHOOK_SECRET: signingSecret,
    STRIPE_BASE_URL: origin,
    LICENTRIC_SECRET_KEY: secret,
    LICENTRIC_PREVIOUS_SECRET_KEY: secret,
    LICENTRIC_METRICS_TOKEN: secret,
    LICENTRIC_ALLOW_PRIVATE_WEBHOOKS: flag,
    LICENTRIC_AUTO_CLOSE_AFTER: whole(0, 31 * 86_400),
    LICENTRIC_ARCHIVE_DIR: z.string(),
    LICENTRIC_ARCHIVE_AFTER: days,
    LICENTRIC_KEEP_IDEMPOTENCY_KEYS: days,
    LICENTRIC_KEEP_CREDENTIALS: days,
    LICENTRIC_KEEP_RESERVATIONS: days,
    LICENTRIC_KEEP_AUDIT: days,
    LICENTRIC_ANSWER_TIMEOUT: milliseconds,
    LICENTRIC_SHUTDOWN_TIMEOUT: milliseconds,
    LICENTRIC_RATE_LIMIT: whole(1, 1_000_000_000),
    LICENTRIC_RATE_LIMIT_PER_ADDRESS: whole(1, 1_000_000_000),
    LICENTRIC_RATE_LIMITS: flag,
    LICENTRIC_TRUST_PROXY: whole(0, 10),
  })
  .partial()
  .refine((env) => env.STRIPE_WEBHOOK_SECRET === undefined || env.STRIPE_API_KEY !== undefined, {
    path: ["STRIPE_WEBHOOK_SECRET"],
    message: "is of no use without STRIPE_API_KEY: set that, too",
  })
  .refine((env) => env.LICENTRIC_ARCHIVE_AFTER === undefined || env.LICENTRIC_ARCHIVE_DIR !== undefined, {
    path: ["LICENTRIC_ARCHIVE_AFTER"],
    message: "is of no use without LICENTRIC_ARCHIVE_DIR: set that, too",
  });

/**
 * Reads the configuration from the environment. A variable that is set to nothing counts as not set.
 *
 * | variable | what it sets |
 * |---|---|
 * | `DATABASE_URL` | PostgreSQL; without it, the embedded database is used |
 * | `LICENTRIC_CONNECT_TIMEOUT`, `LICENTRIC_QUERY_TIMEOUT` | milliseconds for a connection to PostgreSQL and for a statement; 2000 and 5000 by default |
 * | `LICENTRIC_PREPARED_STATEMENTS` | whether statements are prepared by name; by default, unless a pooler is in between |
 * | `LICENTRIC_DATA_DIR`, `DATA_DIR` | directory of the embedded database; `.licentric/data` by default |
 * | `HOST`, `PORT` | where to listen; `127.0.0.1` and `4242` by default |
 * | `LOG_LEVEL` | `fatal`, `error`, `warn`, `info` (default), `debug` or `silent` |
 * | `STRIPE_API_KEY`, `STRIPE_WEBHOOK_SECRET` | Stripe, and the signing secret of its endpoint `/webhooks/stripe` |
 * | `STRIPE_BASE_URL` | another origin than Stripe's own, for tests |
 * | `LICENTRIC_SECRET_KEY` | what webhooks' signing secrets and links to invoices are made with; needed for them on PostgreSQL |
 * | `LICENTRIC_PREVIOUS_SECRET_KEY` | the secret key before: webhooks are signed with both while it is set |
 * | `LICENTRIC_METRICS_TOKEN` | bearer token that `/metrics` asks for; open by default |
 * | `LICENTRIC_ALLOW_PRIVATE_WEBHOOKS` | `true`: webhooks may be sent to private addresses |
 * | `LICENTRIC_AUTO_CLOSE_AFTER` | seconds after its end at which a period is closed by itself; never by default |
 * | `LICENTRIC_ARCHIVE_DIR`, `LICENTRIC_ARCHIVE_AFTER` | where months of events are exported to before they are removed, and days after their end at which that happens; never by default, 400 |
 * | `LICENTRIC_KEEP_IDEMPOTENCY_KEYS` | days for which idempotency keys are kept; 90 by default |
 * | `LICENTRIC_KEEP_CREDENTIALS`, `LICENTRIC_KEEP_RESERVATIONS`, `LICENTRIC_KEEP_AUDIT` | days for which ended credentials, past reservations and audit entries are kept; for ever by default |
 * | `LICENTRIC_ANSWER_TIMEOUT`, `LICENTRIC_SHUTDOWN_TIMEOUT` | milliseconds in which a request is answered, and a shutdown ends; 10000 and 15000 by default |
 * | `LICENTRIC_RATE_LIMIT`, `LICENTRIC_RATE_LIMIT_PER_ADDRESS` | requests per minute with one credential, from one address |
 * | `LICENTRIC_RATE_LIMITS` | `false`: requests are counted and none is refused |
 * | `LICENTRIC_TRUST_PROXY` | number of proxies in front, whose `X-Forwarded-For` is believed; 0 by default |
 *
 * @throws {ConfigError} when a variable is wrong. The message never has its value.
 *
 * @example
 * ```ts
 * const { database, server } = readConfig(process.env);
 * const db = await openDatabase(database);
 * await startServer({ db, ...server });
 * ```
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const set = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ""),
  );
  const parsed = Environment.safeParse(set);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}.`);
    throw new ConfigError(["The configuration is not right:", ...problems].join("\n  "));
  }
  const { data } = parsed;
  const dataDirectory = data.LICENTRIC_DATA_DIR ?? data.DATA_DIR ?? DEFAULT_DATA_DIRECTORY;
  return {
    database: data.DATABASE_URL === undefined ? { dataDirectory } : postgresOf(data.DATABASE_URL, data),
    server: {
      ...(data.HOST !== undefined && { host: data.HOST }),
      ...(data.PORT !== undefined && { port: data.PORT }),
      ...(data.LOG_LEVEL !== undefined && { logLevel: data.LOG_LEVEL }),
      ...(data.STRIPE_API_KEY !== undefined && {
        stripe: {
          apiKey: data.STRIPE_API_KEY,
          webhookSecret: data.STRIPE_WEBHOOK_SECRET,
          baseUrl: data.STRIPE_BASE_URL,
        },
      }),
      ...(data.LICENTRIC_SECRET_KEY !== undefined && { secretKey: data.LICENTRIC_SECRET_KEY }),
      ...(data.LICENTRIC_PREVIOUS_SECRET_KEY !== undefined && {
        previousSecretKey: data.LICENTRIC_PREVIOUS_SECRET_KEY,
      }),
      ...(data.LICENTRIC_METRICS_TOKEN !== undefined && { metricsToken: data.LICENTRIC_METRICS_TOKEN }),
      ...(data.LICENTRIC_AUTO_CLOSE_AFTER !== undefined && {
        autoClose: { after: data.LICENTRIC_AUTO_CLOSE_AFTER },
      }),
      ...(data.LICENTRIC_ANSWER_TIMEOUT !== undefined && { answerTimeout: data.LICENTRIC_ANSWER_TIMEOUT }),
      ...(data.LICENTRIC_SHUTDOWN_TIMEOUT !== undefined && {
        shutdownTimeout: data.LICENTRIC_SHUTDOWN_TIMEOUT,
      }),
      retention: retentionOf(data),
      ...(data.LICENTRIC_ARCHIVE_DIR !== undefined && {
        archive: {
          directory: data.LICENTRIC_ARCHIVE_DIR,
          ...(data.LICENTRIC_ARCHIVE_AFTER !== undefined && { after: data.LICENTRIC_ARCHIVE_AFTER }),
        },
      }),
      allowPrivateWebhooks: data.LICENTRIC_ALLOW_PRIVATE_WEBHOOKS ?? false,
      trustedProxies: data.LICENTRIC_TRUST_PROXY ?? 0,
      rateLimits: {
        perCredential: data.LICENTRIC_RATE_LIMIT,
        perAddress: data.LICENTRIC_RATE_LIMIT_PER_ADDRESS,
        enforced: data.LICENTRIC_RATE_LIMITS,
      },
    },
  };
}

function retentionOf(data: z.output<typeof Environment>): Retention {
  const {
    LICENTRIC_KEEP_IDEMPOTENCY_KEYS: idempotencyKeys,
    LICENTRIC_KEEP_CREDENTIALS: credentials,
    LICENTRIC_KEEP_RESERVATIONS: reservations,
    LICENTRIC_KEEP_AUDIT: auditEvents,
  } = data;
  return {
    ...(idempotencyKeys !== undefined && { idempotencyKeys }),
    ...(credentials !== undefined && { credentials }),
    ...(reservations !== undefined && { reservations }),
    ...(auditEvents !== undefined && { auditEvents }),
  };
}

function postgresOf(databaseUrl: string, data: z.output<typeof Environment>): DatabaseLocation {
  const {
    LICENTRIC_CONNECT_TIMEOUT: connectTimeout,
    LICENTRIC_QUERY_TIMEOUT: queryTimeout,
    LICENTRIC_PREPARED_STATEMENTS: preparedStatements,
  } = data;
  return {
    databaseUrl,
    ...(connectTimeout !== undefined && { connectTimeout }),
    ...(queryTimeout !== undefined && { queryTimeout }),
    ...(preparedStatements !== undefined && { preparedStatements }),
  };
}
