import { dataEnvelope, ERROR_STATUS, ErrorEnvelope, listEnvelope, type Route } from "@licentric/contract";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { bodyFor, bytesFor, headersFor, targetFor, unstorableRequests } from "./support/hostile.ts";
import { type RawAnswer, type RawRequest, sendRaw } from "./support/raw-request.ts";
import { registeredRoutes, routeTable } from "./support/route-table.ts";
import { createTenant, pathFor, samplesFor, type Tenant } from "./support/tenant.ts";

/** The same requests in every run; `LICENTRIC_FUZZ_SEED` and `LICENTRIC_FUZZ_RUNS` search further. */
const SEED = Number(process.env["LICENTRIC_FUZZ_SEED"] ?? 20_261_123);
const RUNS_PER_ROUTE = Number(process.env["LICENTRIC_FUZZ_RUNS"] ?? 40);

const SECRETS = /AGT-[\w.~+/=-]{12,}|lk_(?:test|live)_[\w-]{12,}|whsec_[\w+/=-]{12,}/g;
const INTERNALS =
  /\n\s+at |node_modules|node:internal|file:\/\/|\.ts:\d|\.js:\d|SELECT |INSERT |SQLSTATE|relation "|invalid input syntax|invalid byte/;

describeOnEachDatabase("hostile requests on $name", (database) => {
  let api: TestApi;
  let tenant: Tenant;
  let spare: Tenant;
  let registered: ReadonlySet<string>;
  let log = "";
  const secrets = new Set<string>();
  const statuses = new Set<number>();

  beforeAll(async () => {
    const logDestination = {
      write: (line: string) => {
        log += line;
      },
    };
    api = await startTestApi(database, { logLevel: "debug", logDestination });
    registered = await registeredRoutes(api);
    const account = await api.createAccount();
    tenant = await createTenant(api, account, "test", registered);
    // What is changed, revoked and deleted is another one's, so that the tenant can go on asking.
    spare = await createTenant(api, account, "test", registered);
    for (const { key, token, otherToken, revokedKey, revokedToken, account } of [tenant, spare])
      for (const secret of [key, token, otherToken, revokedKey, revokedToken, account.liveKey])
        secrets.add(secret);
  }, 120_000);
  afterAll(() => api.close());

  const attempt = async (request: RawRequest): Promise<RawAnswer> => {
    const answer = await sendRaw(api.url, request);
    statuses.add(answer.status);
    for (const [secret] of answer.text.matchAll(SECRETS)) secrets.add(secret);
    return answer;
  };

  it.each(routeTable)("$name answers them all in its own words", { timeout: 120_000 }, async (row) => {
    const { name, route } = row;
    const credentials = route.auth === "key" ? [tenant.key, tenant.token] : [tenant.token, tenant.key];
    const request = fc.record({
      method: fc.constant(route.method),
      target: targetFor(route, route.method === "GET" ? tenant.ids : spare.ids),
      headers: headersFor([...credentials, tenant.revokedKey, tenant.revokedToken]),
      body: route.method === "GET" ? fc.constant(null) : bytesFor(bodyFor(route, tenant.samples)),
    });
    const property = fc.asyncProperty(request, async (sent) => {
      expectOwnWords(route, registered.has(name), await attempt(sent));
    });
    await fc.assert(property, { seed: SEED + routeTable.indexOf(row), numRuns: RUNS_PER_ROUTE });
  });

  it.each(routeTable)(
    "$name refuses what cannot be stored in every member",
    { timeout: 120_000 },
    async ({ name, route }) => {
      const token = route.auth === "key" ? tenant.key : tenant.token;
      const path = pathFor(route, route.method === "GET" ? tenant.ids : spare.ids);
      for (const { member, query, body } of unstorableRequests(route, samplesFor(name, tenant))) {
        const answer = await attempt({
          method: route.method,
          target: path + query,
          headers: [`Authorization: Bearer ${token}`, "Content-Type: application/json"],
          body: body === undefined ? null : Buffer.from(JSON.stringify(body)),
        });
        expectOwnWords(route, registered.has(name), answer);
        expect({ member, status: answer.status }).not.toEqual({ member, status: 401 });
      }
    },
  );

  it.each(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "BREW"])(
    "%s on paths that do not exist is answered with 4xx",
    async (method) => {
      for (const target of [
        "/",
        "//",
        "/api",
        "/api/v1/agents/",
        "/api/v1//agents",
        "/api/v1/AGENTS",
        "/api/v1/agents/%00/%ff",
        "/api/v1/%",
        "/api/v1/agents/../../../etc/passwd",
        "/%2e%2e/%2e%2e",
        "/api/v1/__proto__/constructor",
        `/api/v1/${"x".repeat(10_000)}`,
        "*",
        "http://evil.example/api/v2",
      ]) {
        const authorization = `Authorization: Bearer ${tenant.key}`;
        const answer = await attempt({ method, target, headers: [authorization], body: null });
        expect({ target, status: Math.floor(answer.status / 100) }).toEqual({ target, status: 4 });
        expect(answer.text).not.toMatch(INTERNALS);
        expect(answer.text).not.toContain(tenant.key);
      }
    },
  );

  it("got through to the routes and was refused by them", () => {
    expect([...statuses]).toEqual(expect.arrayContaining([200, 201, 400, 401, 404, 413, 415]));
  });

  it("left the server well, with nothing that looks like a secret in its log", async () => {
    const { body } = await api.call("GET", "/api/v1/agents", { token: tenant.key });
    expect(body.data.length).toBeGreaterThan(0);
    expect(log).toContain("Server listening");
    expect(log).not.toMatch(/"level":[56]0/);
    expect(secrets.size).toBeGreaterThan(10);
    for (const secret of secrets) expect(log.includes(secret), "a secret is in the log").toBe(false);
    expect(log).not.toMatch(SECRETS);
    expect(log).not.toMatch(/bearer/i);
  });
});

function expectOwnWords(route: Route, registered: boolean, { status, text }: RawAnswer): void {
  const shown = `${status} ${text.slice(0, 500)}`;
  expect(status, shown).toBeGreaterThanOrEqual(200);
  expect(status, shown).toBeLessThan(500);
  expect(text).not.toMatch(INTERNALS);
  const answer: unknown = JSON.parse(text);
  if (status >= 400) {
    const { error, code } = ErrorEnvelope.parse(answer);
    expect(error, shown).not.toBe("");
    expect(Object.entries(ERROR_STATUS), shown).toContainEqual([code, status]);
  } else {
    expect({ status, registered }, shown).toEqual({ status: route.status, registered: true });
    (route.list ? listEnvelope(route.response) : dataEnvelope(route.response)).parse(answer);
  }
}
