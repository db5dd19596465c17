import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONSOLE_ROLES, KEY_SCOPES } from "@licentric/contract";
import { request } from "undici";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startTestApi, type TestAccount, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase, embedded } from "./support/databases.ts";
import { routeTable } from "./support/route-table.ts";

describeOnEachDatabase("the console's sign-in on $name", (database) => {
  let api: TestApi;
  let account: TestAccount;
  beforeAll(async () => {
    api = await startTestApi(database, { logLevel: "silent", trustedProxies: 1 });
  }, 60_000);
  beforeEach(async () => {
    api.setTime(null);
    account = await api.createAccount();
  });
  afterAll(() => api.close());

  const makeCode = async (key: string, body: object = {}): Promise<string> => {
    const made = await api.call("POST", "/api/v1/console/codes", { token: key, body });
    expect(made.status).toBe(201);
    return made.body.data.code;
  };
  const exchange = (code: string, from = "198.51.100.1") =>
    api.call("POST", "/api/v1/console/keys", { token: code, headers: { "x-forwarded-for": from } });

  it("gives a key of its own, which is listed, named by the audit log, and revoked", async () => {
    const [maker] = (await api.call("GET", "/api/v1/keys", { token: account.key })).body.data;
    const signedIn = await exchange(await makeCode(account.key));
    expect(signedIn).toMatchObject({
      status: 201,
      body: { data: { mode: "test", scopes: null, name: "Console" } },
    });
    const { id, key, createdAt, expiresAt } = signedIn.body.data;
    expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBe(12 * 3_600_000);

    const [listed] = (await api.call("GET", "/api/v1/keys", { token: key })).body.data;
    expect(listed).toMatchObject({ id, name: "Console", expiresAt, revokedAt: null });
    const log = await api.call("GET", `/api/v1/audit-events?resourceId=${id}`, { token: key });
    expect(log.body.data).toMatchObject([
      { operation: "keys.create", actor: "key", keyId: maker.id, resourceIds: [id] },
    ]);

    await api.call("POST", `/api/v1/keys/${id}/revoke`, { token: account.key });
    expect((await api.call("GET", "/api/v1/account", { token: key })).status).toBe(401);
  });

  it("gives each role its scopes, in the mode of the key that asked", async () => {
    for (const role of ["full", "finance", "read"] as const) {
      const { body } = await exchange(await makeCode(account.liveKey, { role, expiresIn: 3_600 }));
      expect(body.data).toMatchObject({ mode: "live", scopes: CONSOLE_ROLES[role] });
      const write = await api.call("POST", "/api/v1/agents", { token: body.data.key, body: { name: "x" } });
      expect(write.status).toBe(role === "full" ? 201 : 403);
    }
  });

  it("takes a code once, however many ask at the same time", async () => {
    const code = await makeCode(account.key);
    const answers = await Promise.all(Array.from({ length: 8 }, () => exchange(code)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, ...Array(7).fill(401)]);
  });

  it("refuses a code after a minute, a made-up one, and one whose key was revoked", async () => {
    const start = Date.now();
    api.setTime(new Date(start));
    const late = await makeCode(account.key);
    api.setTime(new Date(start + 60_000));
    expect(await exchange(late)).toMatchObject({ status: 401, body: { code: "UNAUTHORIZED" } });
    for (const made of ["lcc_0123456789012345678901234567890123456789012", account.key]) {
      expect(await exchange(made)).toMatchObject({ status: 401, body: { code: "UNAUTHORIZED" } });
    }
    const other = await api.createKey(account, "test");
    const orphan = await makeCode(other);
    const [{ id }] = (await api.call("GET", "/api/v1/keys", { token: account.key })).body.data;
    await api.call("POST", `/api/v1/keys/${id}/revoke`, { token: account.key });
    expect(await exchange(orphan)).toMatchObject({ status: 401, body: { code: "UNAUTHORIZED" } });
  });

  it("ends the key at its time, on the server's clock", async () => {
    const start = Date.now();
    api.setTime(new Date(start));
    const { key } = (await exchange(await makeCode(account.key, { expiresIn: 60 }))).body.data;
    api.setTime(new Date(start + 59_999));
    expect((await api.call("GET", "/api/v1/account", { token: key })).status).toBe(200);
    api.setTime(new Date(start + 60_000));
    expect(await api.call("GET", "/api/v1/account", { token: key })).toMatchObject({
      status: 401,
      body: { error: expect.stringContaining("has ended") },
    });
  });

  it("gives no more than the key that asks has", async () => {
    const withoutBilling = await api.createKey(
      account,
      "test",
      KEY_SCOPES.filter((scope) => scope !== "billing:read"),
    );
    for (const role of ["full", "finance", "read"]) {
      const refused = await api.call("POST", "/api/v1/console/codes", {
        token: withoutBilling,
        body: { role },
      });
      expect(refused).toMatchObject({ status: 403, body: { code: "FORBIDDEN" } });
    }
  });

  it("stores a code as a hash alone, and removes it as it is used", async () => {
    const code = await makeCode(account.key);
    const rows = () => api.db.query<{ row: string }>("SELECT to_jsonb(c)::text AS row FROM console_codes c");
    expect(JSON.stringify(await rows())).not.toContain(code);
    const before = (await rows()).length;
    await exchange(code);
    expect(await rows()).toHaveLength(before - 1);
  });

  it("limits how many codes an address tries, and no other address with it", async () => {
    api.setTime(new Date(Math.ceil(Date.now() / 60_000) * 60_000 + 120_000));
    const tries = [];
    for (let n = 0; n < 31; n += 1) tries.push((await exchange("lcc_wrong", "203.0.113.7")).status);
    expect(tries).toEqual([...Array(30).fill(401), 429]);
    const code = await makeCode(account.key);
    expect(await exchange(code, "203.0.113.7")).toMatchObject({
      status: 429,
      headers: { "retry-after": expect.stringMatching(/^\d+$/) },
    });
    expect((await exchange(code, "203.0.113.8")).status).toBe(201);
  });
});

describe("the API takes bearers alone", () => {
  let api: TestApi;
  let account: TestAccount;
  beforeAll(async () => {
    api = await startTestApi(embedded, { logLevel: "silent" });
    account = await api.createAccount();
  }, 60_000);
  afterAll(() => api.close());

  const cookies = () => ({
    cookie: `session=${account.key}; authorization=Bearer ${account.key}; key=${account.key}`,
  });

  it.each(routeTable)("$name sets no cookie, and one changes nothing", async ({ route }) => {
    const path = route.path.replace(/:\w+/g, "01890a5d-ac96-774b-bcce-b302099a8057");
    const bare = await api.call(route.method, path, { headers: cookies() });
    expect(bare.status).toBe(401);
    const query = `${path}?unknown=1`;
    const without = await api.call(route.method, query, { token: account.key });
    const withCookie = await api.call(route.method, query, { token: account.key, headers: cookies() });
    const { requestId: _, ...expected } = without.body;
    expect(withCookie).toMatchObject({ status: without.status, body: expected });
    for (const { headers } of [bare, without, withCookie]) expect(headers).not.toHaveProperty("set-cookie");
  });

  it("nor does the exchange of a code", async () => {
    const { body } = await api.call("POST", "/api/v1/console/codes", { token: account.key });
    const headers = { cookie: `code=${body.data.code}; authorization=Bearer ${body.data.code}` };
    expect((await api.call("POST", "/api/v1/console/keys", { headers })).status).toBe(401);
    const signedIn = await api.call("POST", "/api/v1/console/keys", { token: body.data.code });
    expect(signedIn.status).toBe(201);
    expect(signedIn.headers).not.toHaveProperty("set-cookie");
  });
});

describe("/console", () => {
  let directory: string;
  let api: TestApi;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "licentric-console-"));
    await mkdir(join(directory, "pages/assets"), { recursive: true });
    await writeFile(join(directory, "secret.js"), "not to be served");
    await writeFile(join(directory, "pages/index.html"), "<!doctype html><title>Console</title>");
    await writeFile(join(directory, "pages/assets/app-1a2b3c.js"), "start();");
    api = await startTestApi(embedded, { logLevel: "silent", consoleDirectory: join(directory, "pages") });
  }, 60_000);
  afterAll(async () => {
    await api.close();
    await rm(directory, { recursive: true });
  });

  const get = async (path: string, headers: Record<string, string> = {}, url = api.url) => {
    const answer = await request(url + path, { headers });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  };

  it("answers the page at every address, and nothing outside it", async () => {
    for (const path of [
      "/console",
      "/console/",
      "/console/customers/1",
      "/console/../secret.js",
      "/console/%2e%2e%2fsecret.js",
    ]) {
      const { status, text } = await get(path);
      if (status === 200) expect(text).toBe("<!doctype html><title>Console</title>");
      expect(text).not.toContain("not to be served");
    }
    expect((await get("/console/customers/1")).status).toBe(200);
    expect((await get("/console/assets/app-of-before.js")).status).toBe(404);
    expect((await get("/consoles")).status).toBe(404);
  });

  it("runs nothing inline, loads nothing from elsewhere, and is framed by nobody", async () => {
    for (const path of [
      "/console",
      "/console/agents",
      "/console/assets/app-1a2b3c.js",
      "/console/assets/none.js",
    ]) {
      const { headers } = await get(path);
      const policy = String(headers["content-security-policy"]);
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|https?:|\*|data:/);
      expect(headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
      });
      expect(headers).not.toHaveProperty("set-cookie");
    }
  });

  it("has what its name says is fixed kept, and the page asked for again", async () => {
    const asset = await get("/console/assets/app-1a2b3c.js", { "accept-encoding": "gzip" });
    expect(asset.headers).toMatchObject({
      "content-type": "text/javascript; charset=utf-8",
      "content-encoding": "gzip",
      "cache-control": "public, max-age=31536000, immutable",
    });
    expect((await get("/console")).headers["cache-control"]).toBe("no-cache");
  });

  it("says by which command it is built where it is not there", async () => {
    const without = await startTestApi(embedded, { logLevel: "silent" });
    const empty = await startTestApi(embedded, {
      logLevel: "silent",
      consoleDirectory: join(directory, "none"),
    });
    for (const { url } of [without, empty]) {
      const { status, headers, text } = await get("/console", {}, url);
      expect(status).toBe(404);
      expect(headers["content-type"]).toContain("text/plain");
      expect(text).toContain("npx -y pnpm@10 console:build");
    }
    await without.close();
    await empty.close();
  }, 60_000);
});
