import { once } from "node:events";
import { createServer, type RequestListener, request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApi, type TestApi } from "./support/api.ts";
import { killRunning, licentric } from "./support/licentric.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
}, 120_000);
afterAll(async () => {
  await api?.close();
  await killRunning();
}, 60_000);

interface Report {
  readonly ok: boolean;
  readonly checks: readonly { name: string; status: string; message: string; advice?: string }[];
}

async function doctor(env: Record<string, string>) {
  const ended = await licentric(["doctor", "--json"], { LICENTRIC_DATA_DIR: nowhere, ...env }).ended();
  const { ok, checks }: Report = JSON.parse(ended.stdout);
  const found = Object.fromEntries(checks.map((check) => [check.name, check]));
  const statuses = Object.fromEntries(checks.map(({ name, status }) => [name, status]));
  return { ...ended, ok, found, statuses };
}
const nowhere = "/nonexistent/licentric";

async function serve(listener: RequestListener): Promise<{ url: string; close(): void }> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

const answering = (status: number, headers = {}): RequestListener => {
  return (_, response) => response.writeHead(status, headers).end("{}");
};

describe("licentric doctor", { timeout: 120_000 }, () => {
  it("finds nothing wrong with an API that answers and a key that it takes", async () => {
    const { code, ok, statuses, found } = await doctor(api.env);
    expect(statuses).toEqual({
      reachability: "ok",
      key: "ok",
      clock: "ok",
      database: "skipped",
      stripe: "skipped",
    });
    expect({ code, ok }).toEqual({ code: 0, ok: true });
    expect(found["key"]?.message).toContain("test data");
    expect(found["reachability"]?.message).toContain(api.url);
  });

  it("says it to a person with what to do, and no colours where there is no terminal", async () => {
    const { stdout, code } = await licentric(["doctor", "--data-dir", nowhere], {
      LICENTRIC_BASE_URL: "http://127.0.0.1:1",
      LICENTRIC_API_KEY: "",
    }).ended();
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^✗ reachability: .*ECONNREFUSED.*\n {2}→ .*licentric dev.*LICENTRIC_BASE_URL.*$/m,
    );
    expect(stdout).toMatch(/^✗ key: .*\n {2}→ .*licentric keys create/m);
    expect(stdout).not.toContain("\u001b");
  });

  it.each([
    ["lk_test_0123456789abcdef", "does not take"],
    ["AGT-q1w2e3r4t5y6u7i8", "agent's token"],
    ["hello", "malformed"],
  ])("sees that %s is no key of this API, and does not repeat it", async (LICENTRIC_API_KEY, sentence) => {
    const { code, found, stdout } = await doctor({ ...api.env, LICENTRIC_API_KEY });
    expect(code).toBe(1);
    expect(found["key"]).toMatchObject({
      status: "failed",
      message: expect.stringContaining(sentence),
      advice: expect.any(String),
    });
    expect(stdout).not.toContain(LICENTRIC_API_KEY);
  });

  it.each([
    [-60, "warning", "60 s ahead of"],
    [3_600, "failed", "s behind"],
  ])("sees that the API's clock is off by %d s", async (seconds, status, words) => {
    const skewed = await serve((incoming, response) => {
      const { method, headers } = incoming;
      const forwarded = request(
        `${api.url}${incoming.url}`,
        { method: method ?? "GET", headers },
        (answer) => {
          const date = new Date(Date.now() + seconds * 1_000).toUTCString();
          response.writeHead(answer.statusCode ?? 502, { ...answer.headers, date });
          answer.pipe(response);
        },
      );
      incoming.pipe(forwarded);
    });
    const { found, statuses } = await doctor({ ...api.env, LICENTRIC_BASE_URL: skewed.url });
    skewed.close();
    expect(statuses).toMatchObject({ reachability: "ok", key: "ok", clock: status });
    // A slow answer shifts it by a second or two.
    expect(found["clock"]?.message.replace(/\b(59|60|61|62)\b/, "60")).toContain(words);
    expect(found["clock"]?.advice).toContain("NTP");
  });

  it.each([
    [40 * 86_400, "3456000 s ahead of its database's"],
    [-3_600, "3600 s behind its database's"],
  ])("sees that the API's clock is %d s from its database's", async (seconds, words) => {
    const skewed = await serve((incoming, response) => {
      if (incoming.url === "/readyz") {
        response.end(JSON.stringify({ status: "ok", clockSkew: seconds * 1_000 }));
        return;
      }
      const { method, headers } = incoming;
      const options = { method: method ?? "GET", headers };
      const forwarded = request(`${api.url}${incoming.url}`, options, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      incoming.pipe(forwarded);
    });
    const { code, found } = await doctor({ ...api.env, LICENTRIC_BASE_URL: skewed.url });
    skewed.close();
    expect(code).toBe(1);
    expect(found["clock"]).toMatchObject({ status: "failed", message: expect.stringContaining(words) });
    expect(found["clock"]?.advice).toContain("NTP");
  });

  it("sees that what answers is no Licentric API", async () => {
    const other = await serve(answering(200, { "content-type": "text/html" }));
    const { found } = await doctor({ ...api.env, LICENTRIC_BASE_URL: other.url });
    other.close();
    expect(found["reachability"]).toMatchObject({
      status: "failed",
      message: expect.stringContaining("not as the API does"),
    });
  });

  it("looks at the database without changing it", async () => {
    const open = await doctor({ ...api.env, LICENTRIC_DATA_DIR: api.dataDirectory });
    expect(open.found["database"]).toMatchObject({
      status: "ok",
      message: expect.stringContaining("open in"),
    });

    const DATABASE_URL = "postgres://root:hunter2@127.0.0.1:1/none";
    const { found, stdout } = await doctor({ ...api.env, DATABASE_URL });
    expect(found["database"]).toMatchObject({
      status: "failed",
      message: expect.stringContaining("Cannot use PostgreSQL at 127.0.0.1:1/none"),
    });
    expect(stdout).not.toContain("hunter2");
  });

  it("names what is wrong with the server's configuration", async () => {
    const { found, code } = await doctor({ ...api.env, STRIPE_API_KEY: "pk_test_x" });
    expect(code).toBe(1);
    expect(found["configuration"]?.message).toContain("STRIPE_API_KEY must be");
  });

  it.each<[string, number, Record<string, string>, string, string]>([
    ["a key that Stripe does not take", 401, {}, "failed", "does not take"],
    ["a restricted key that may not do it", 403, {}, "failed", "may not read invoices"],
    ["Stripe's trouble", 503, {}, "warning", "503"],
    ["no webhook secret", 200, {}, "warning", "which invoices are paid"],
    ["a key of the other mode", 200, { STRIPE_API_KEY: "sk_live_x1" }, "warning", "is for live data"],
    ["what is right", 200, { STRIPE_WEBHOOK_SECRET: "whsec_x" }, "ok", "takes the key"],
  ])("sees %s", async (_, answer, env, status, sentence) => {
    const stripe = await serve(answering(answer));
    const given = { STRIPE_API_KEY: "sk_test_x1", STRIPE_BASE_URL: stripe.url, ...env };
    const { found, stdout } = await doctor({ ...api.env, ...given });
    stripe.close();
    expect(found["stripe"]).toMatchObject({ status, message: expect.stringContaining(sentence) });
    expect(stdout).not.toContain(given.STRIPE_API_KEY);
  });
});
