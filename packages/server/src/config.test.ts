import { describe, expect, it } from "vitest";
import { ConfigError, readConfig } from "./config.ts";

describe("readConfig", () => {
  it("needs nothing: the embedded database, no Stripe", () => {
    expect(readConfig({})).toMatchObject({ database: { dataDirectory: ".licentric/data" } });
    expect(readConfig({}).server).not.toHaveProperty("stripe");
    expect(readConfig({ DATABASE_URL: "", PORT: "" })).toEqual(readConfig({}));
  });

  it("reads every variable", () => {
    const config = readConfig({
      DATABASE_URL: "postgres://user:password@db:5432/licentric",
      HOST: "0.0.0.0",
      PORT: "8080",
      LOG_LEVEL: "warn",
      STRIPE_API_KEY: "sk_live_abc",
      STRIPE_WEBHOOK_SECRET: "whsec_abc",
      LICENTRIC_SECRET_KEY: "sixteen characters",
      LICENTRIC_PREVIOUS_SECRET_KEY: "sixteen others, too",
      LICENTRIC_ARCHIVE_DIR: "/srv/archive",
      LICENTRIC_ARCHIVE_AFTER: "100",
      LICENTRIC_KEEP_IDEMPOTENCY_KEYS: "40",
      LICENTRIC_KEEP_CREDENTIALS: "50",
      LICENTRIC_KEEP_RESERVATIONS: "60",
      LICENTRIC_KEEP_AUDIT: "70",
      LICENTRIC_METRICS_TOKEN: "another sixteen characters",
      LICENTRIC_ALLOW_PRIVATE_WEBHOOKS: "true",
      LICENTRIC_AUTO_CLOSE_AFTER: "3600",
      LICENTRIC_CONNECT_TIMEOUT: "1000",
      LICENTRIC_QUERY_TIMEOUT: "3000",
      LICENTRIC_PREPARED_STATEMENTS: "true",
      LICENTRIC_ANSWER_TIMEOUT: "7000",
      LICENTRIC_SHUTDOWN_TIMEOUT: "9000",
      LICENTRIC_RATE_LIMIT: "100",
      LICENTRIC_RATE_LIMIT_PER_ADDRESS: "200",
      LICENTRIC_RATE_LIMITS: "false",
      LICENTRIC_TRUST_PROXY: "1",
      UNRELATED: "ignored",
    });
    expect(config).toEqual({
      database: {
        databaseUrl: "postgres://user:password@db:5432/licentric",
        connectTimeout: 1000,
        queryTimeout: 3000,
        preparedStatements: true,
      },
      server: {
        host: "0.0.0.0",
        port: 8080,
        logLevel: "warn",
        stripe: { apiKey: "sk_live_abc", webhookSecret: "whsec_abc", baseUrl: undefined },
        secretKey: "sixteen characters",
        previousSecretKey: "sixteen others, too",
        archive: { directory: "/srv/archive", after: 100 },
        retention: { idempotencyKeys: 40, credentials: 50, reservations: 60, auditEvents: 70 },
        metricsToken: "another sixteen characters",
        allowPrivateWebhooks: true,
        autoClose: { after: 3600 },
        answerTimeout: 7000,
        shutdownTimeout: 9000,
        rateLimits: { perCredential: 100, perAddress: 200, enforced: false },
        trustedProxies: 1,
      },
    });
  });

  it("takes DATA_DIR and, first, LICENTRIC_DATA_DIR", () => {
    expect(readConfig({ DATA_DIR: "/a" }).database).toEqual({ dataDirectory: "/a" });
    expect(readConfig({ DATA_DIR: "/a", LICENTRIC_DATA_DIR: "/b" }).database).toEqual({
      dataDirectory: "/b",
    });
  });

  it("names everything that is wrong at once, and shows no value", () => {
    const env = {
      DATABASE_URL: "mysql://root:hunter2@db/x",
      PORT: "70000",
      LOG_LEVEL: "loud",
      STRIPE_API_KEY: "pk_live_hunter2",
      LICENTRIC_SECRET_KEY: "hunter2",
    };
    expect(() => readConfig(env)).toThrow(ConfigError);
    const message = (() => {
      try {
        readConfig(env);
      } catch (error) {
        return String(error);
      }
      return "";
    })();
    for (const name of Object.keys(env)) expect(message).toContain(name);
    expect(message).not.toContain("hunter2");
    expect(message).toContain("PORT must be at most 65535");
    expect(message).toContain("postgres://user:password@host:5432/database");
  });

  it.each([
    [{ PORT: "80.5" }, "PORT"],
    [{ LICENTRIC_RATE_LIMITS: "no" }, "must be true or false"],
    [{ STRIPE_WEBHOOK_SECRET: "whsec_a" }, "STRIPE_API_KEY"],
  ])("refuses %o", (env, message) => {
    expect(() => readConfig(env)).toThrow(message);
  });
});
