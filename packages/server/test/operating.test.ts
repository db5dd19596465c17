import { randomBytes } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, Socket } from "node:net";
import { Writable } from "node:stream";
import { request } from "undici";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase, embedded } from "./support/databases.ts";
import { repeatToStripeAtOnce } from "./support/stripe-retries.ts";
import { startStripeStandIn } from "./support/stripe-stand-in.ts";

describeOnEachDatabase("operating on $name", (database) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(database, {
      logLevel: "silent",
      requestTimeout: 1_000,
      metricsToken: "a-token-for-prometheus",
    });
  }, 60_000);
  afterAll(() => api.close());

  it("says that it is up and that it reaches its database", async () => {
    for (const path of ["/healthz", "/readyz"]) {
      expect(await api.call("GET", path)).toMatchObject({ status: 200, body: { status: "ok" } });
    }
  });

  it("is up and not ready while the database does not answer", async () => {
    const { query } = api.db;
    api.db.query = () => Promise.reject(new Error("the database is away"));
    try {
      expect((await api.call("GET", "/healthz")).status).toBe(200);
      expect(await api.call("GET", "/readyz")).toMatchObject({
        status: 503,
        body: { status: "unavailable" },
      });
    } finally {
      api.db.query = query;
    }
  });

  it("tells Prometheus of requests, events and the outbox, and names nobody", async () => {
    const { key, id } = await api.createAccount();
    const { token, agentId } = await createAuthorizedAgent(api, key);
    const body = { meterName: "api_calls" };
    const headers = { "idempotency-key": "once" };
    for (const _ of [1, 2]) await api.call("POST", "/api/v1/mcp/verify", { token, body, headers });
    await api.call("GET", `/api/v1/agents/${agentId}`, { token: key });
    await api.call("GET", "/nothing/here");
    expect((await api.call("GET", "/metrics")).status).toBe(401);
    const answer = await request(`${api.url}/metrics`, {
      headers: { authorization: "Bearer a-token-for-prometheus" },
    });
    const text = await answer.body.text();
    expect(answer.headers["content-type"]).toContain("text/plain");
    expect(text).toContain(
      'licentric_http_requests_total{method="GET",route="/api/v1/agents/:agentId",status="200"} 1',
    );
    expect(text).toContain('licentric_http_requests_total{method="GET",route="none",status="404"} 1');
    expect(text).toContain('licentric_events_recorded_total{outcome="recorded"} 1');
    expect(text).toContain('licentric_events_recorded_total{outcome="duplicate"} 1');
    expect(text).toMatch(/licentric_record_batch_size_count [1-9]/);
    expect(text).toContain("licentric_webhook_outbox_backlog 0");
    expect(text).toContain("process_cpu_seconds_total");
    for (const name of [id, agentId, key, token]) expect(text).not.toContain(name);
  });

  it("writes rate-limit headers on every answer", async () => {
    const { key } = await api.createAccount();
    for (const answer of [
      await api.call("GET", "/healthz"),
      await api.call("GET", "/api/v1/agents", { token: key }),
      await api.call("GET", "/api/v1/agents"),
      await api.call("GET", "/api/v1/nowhere"),
      await api.call("POST", "/api/v1/agents", { token: key, body: "{" }),
    ]) {
      expect(Number(answer.headers["x-ratelimit-limit"])).toBeGreaterThan(0);
      expect(Number(answer.headers["x-ratelimit-remaining"])).toBeGreaterThan(0);
      const reset = Number(answer.headers["x-ratelimit-reset"]);
      expect(reset).toBeGreaterThan(Date.now() / 1_000 - 1);
      expect(reset).toBeLessThan(Date.now() / 1_000 + 62);
    }
  });

  it("refuses a body above one mebibyte", async () => {
    const { key } = await api.createAccount();
    const answer = await api.call("POST", "/api/v1/agents", {
      token: key,
      body: { name: "x".repeat(1_100_000) },
    });
    expect(answer).toMatchObject({ status: 413, body: { code: "PAYLOAD_TOO_LARGE" } });
  });

  it.each([
    ["its headers", "POST /api/v1/mcp/verify HTTP/1.1\r\nhost: x\r\n"],
    [
      "its body",
      "POST /api/v1/mcp/verify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    ],
  ])(
    "sheds a client that never finishes %s",
    async (_, start) => {
      const { hostname, port } = new URL(api.url);
      const socket = connect(Number(port), hostname);
      const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.on("error", () => {});
      socket.resume();
      socket.write(start);
      await ended;
      expect((await api.call("GET", "/healthz")).status).toBe(200);
    },
    15_000,
  );
});

it("sheds a client that does not take its answers", async () => {
  const api = await startTestApi(embedded, { requestTimeout: 500 });
  try {
    const { hostname, port } = new URL(api.url);
    const accepted = nextAccepted();
    const socket = connect(Number(port), hostname);
    // More than the buffers between the two hold.
    const asked = 500;
    socket.on("error", () => {});
    socket.pause();
    socket.write(`GET /api/v1/openapi.json HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`.repeat(asked));
    await once(await accepted, "close");
    const taken = await new Promise<number>((resolve) => {
      let heads = 0;
      socket.on("data", (chunk) => {
        heads += chunk.toString("latin1").split("HTTP/1.1 200 OK").length - 1;
        if (heads === asked) resolve(heads);
      });
      socket.once("close", () => resolve(heads));
      socket.resume();
    });
    socket.destroy();
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(asked / 2);
  } finally {
    await api.close();
  }
}, 60_000);

/** The server's end of the connection that is made next. */
function nextAccepted(): Promise<Socket> {
  return new Promise((resolve) => {
    const accept = (message: unknown) => {
      if (typeof message !== "object" || message === null || !("socket" in message)) return;
      if (!(message.socket instanceof Socket)) return;
      unsubscribe("net.server.socket", accept);
      resolve(message.socket);
    };
    subscribe("net.server.socket", accept);
  });
}

describeOnEachDatabase("the log on $name", (database) => {
  it("holds no secret, whatever goes wrong", async () => {
    const lines: string[] = [];
    const destination = new Writable({
      write: (chunk, _, done) => {
        lines.push(String(chunk));
        done();
      },
    });
    repeatToStripeAtOnce();
    const stripe = await startStripeStandIn();
    const stripeKey = `sk_test_${randomBytes(12).toString("hex")}`;
    const secretKey = randomBytes(24).toString("hex");
    const api = await startTestApi(database, {
      logLevel: "debug",
      logDestination: destination,
      secretKey,
      backgroundInterval: 20,
      stripe: { apiKey: stripeKey, baseUrl: stripe.url, timeout: 300, webhookSecret: "whsec_never_in_a_log" },
    });
    const { query, transaction } = api.db;
    try {
      const { key, liveKey } = await api.createAccount();
      const { token } = await createAuthorizedAgent(api, key);
      const webhook = await api.call("POST", "/api/v1/webhooks", {
        token: key,
        body: { url: "http://localhost:1/" },
      });
      const secrets = [
        key,
        liveKey,
        token,
        stripeKey,
        secretKey,
        webhook.body.data.secret,
        "whsec_never_in_a_log",
      ];
      const answers: unknown[] = [];
      const everything = async () => {
        for (const credential of [key, liveKey, token, `${key}x`, `Bearer ${token}`]) {
          for (const [method, path, body] of [
            ["POST", "/api/v1/mcp/verify", { meterName: "api_calls" }],
            ["POST", "/api/v1/mcp/verify", { meterName: credential }],
            ["POST", "/api/v1/agents", { name: 1, token: credential }],
            ["POST", "/api/v1/agents", `{"name": "${credential}`],
            ["GET", `/api/v1/agents/${credential}`, undefined],
            ["GET", `/api/v1/agents?cursor=${credential}`, undefined],
            ["POST", "/api/v1/keys", { name: "another" }],
            ["POST", `/${credential}`, undefined],
            ["POST", "/webhooks/stripe", { credential }],
            ["GET", "/api/v1/billing/periods/current", undefined],
          ] as const) {
            answers.push((await api.call(method, path, { token: credential, body })).headers);
          }
        }
      };
      await everything();
      const { body } = await api.call("GET", "/api/v1/billing/periods/current", { token: key });
      await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls" } });
      await api.call("POST", `/api/v1/billing/periods/${body.data.id}/close`, { token: key });
      for (const kind of ["500", "402", "close-before"] as const) {
        stripe.addFault({ on: "POST /v1/customers", kind, times: 3 });
        const path = `/api/v1/billing/periods/${body.data.id}/invoice`;
        expect((await api.call("POST", path, { token: key })).status).toBe(502);
      }
      const broken = () =>
        Promise.reject(Object.assign(new Error("broken"), { parameters: secrets, query: token }));
      api.db.query = broken;
      api.db.transaction = broken;
      await everything();
      api.db.query = query;
      api.db.transaction = transaction;
      expect(lines.length).toBeGreaterThan(10);
      const log = lines.join("");
      for (const secret of secrets)
        expect(log.includes(secret), `the log has ${secret.slice(0, 8)}…`).toBe(false);
    } finally {
      Object.assign(api.db, { query, transaction });
      await api.close();
      await stripe.close();
    }
  }, 60_000);
});
