import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "@licentric/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepareDatabase } from "../../server/test/support/prepared-database.ts";
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

  it.each([
    [401, 5],
    [403, 5],
    [404, 5],
    [502, 7],
  ])(
    "does not take a proxy's page (%d) for what the API says, nor does any other command",
    async (status, exitCode) => {
      const proxy = await serve((_, response) =>
        response
          .writeHead(status, { "content-type": "text/html", "www-authenticate": 'Basic realm="Intranet"' })
          .end(`<html><h1>${status} of a proxy</h1></html>`),
      );
      const env = { ...api.env, LICENTRIC_BASE_URL: proxy.url };
      const { code, found, statuses } = await doctor(env);
      const ended = await licentric(["agents", "list"], env).ended();
      proxy.close();
      expect(code).toBe(1);
      expect(statuses).toMatchObject({ reachability: "failed", key: "skipped", clock: "skipped" });
      expect(found["reachability"]?.message).toMatch(
        new RegExp(`^${proxy.url} answers ${status}, and not as the API does: .*${status} of a proxy`),
      );
      expect(found["reachability"]?.advice).toMatch(/LICENTRIC_BASE_URL.*proxy/);
      expect(ended.code).toBe(exitCode);
      expect(ended.stderr).toContain(`What answered ${status} at this address is not the API`);
      expect(ended.stderr).not.toMatch(/checks the key/);
    },
  );

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

  // PostgreSQL takes CET for the abbreviation, one hour ahead all year; to Node it is a zone with summer time. No account
  // is given it any more, and one may have it.
  it.each([
    ["Europe/Berlin", "ok", "agree on when the accounts' months begin", 0],
    ["CET", "failed", "In CET the database begins 20", 1],
  ])(
    "compares when months begin in %s for the database and for itself",
    async (timeZone, status, words, code) => {
      const directory = await mkdtemp(join(tmpdir(), "licentric-doctor-"));
      const LICENTRIC_DATA_DIR = join(directory, "data");
      await prepareDatabase(LICENTRIC_DATA_DIR);
      const made = await licentric(["keys", "create", "--time-zone", "Europe/Berlin", "--json"], {
        LICENTRIC_DATA_DIR,
      }).ended();
      expect(made).toMatchObject({ code: 0 });
      const db = await openDatabase({ dataDirectory: LICENTRIC_DATA_DIR });
      await db.query("UPDATE accounts SET time_zone = $1", [timeZone]);
      await db.close();
      const report = await doctor({ ...api.env, LICENTRIC_DATA_DIR });
      await rm(directory, { recursive: true, force: true });
      expect(report.statuses).toMatchObject({ database: "ok", "time zones": status });
      expect(report.found["time zones"]?.message).toContain(words);
      if (code === 1) expect(report.found["time zones"]?.advice).toContain("Europe/Brussels");
      expect(report.code).toBe(code);
    },
  );

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
