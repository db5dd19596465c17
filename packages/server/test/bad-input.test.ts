import { randomBytes } from "node:crypto";
import { MAX_QUANTITY } from "@licentric/contract";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mintSecret } from "../src/accounts/secrets.ts";
import { createAuthorizedAgent, startTestApi, type TestAccount, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

const UNKNOWN_ID = "0190f000-0000-7000-8000-000000000000";

describeOnEachDatabase("bad input on $name", (database) => {
  let api: TestApi;
  let account: TestAccount;
  let token: string;
  beforeAll(async () => {
    api = await startTestApi(database);
    account = await api.createAccount();
    ({ token } = await createAuthorizedAgent(api, account.key));
  }, 60_000);
  afterAll(() => api.close());

  const verify = (body: unknown, headers: Record<string, string> = {}) =>
    api.call("POST", "/api/v1/mcp/verify", { token, body, headers });
  const totals = async () => {
    const period = await api.call("GET", "/api/v1/billing/periods/current", { token: account.key });
    return period.body.data.totals;
  };

  describe("a credential", () => {
    const changedLetter = (secret: string) => secret.slice(0, -1) + (secret.endsWith("A") ? "B" : "A");

    it.each([
      ["is missing", () => undefined, "no credential"],
      ["is no key at all", () => "hello", "not a management key"],
      ["has a typo", () => changedLetter(account.key), "copied whole"],
      ["is an agent's token", () => token, "management key"],
    ])("that %s is refused with 401 and says what to do", async (_, credential, sentence) => {
      const answer = await api.call("GET", "/api/v1/agents", { token: credential() });
      expect(answer).toMatchObject({
        status: 401,
        body: { code: "UNAUTHORIZED", error: expect.stringContaining(sentence) },
      });
      expect(answer.headers["www-authenticate"]).toBe("Bearer");
    });

    it("that has a typo or is made up is refused without a look-up", async () => {
      const { query } = api.db;
      const asked: string[] = [];
      api.db.query = (text, values) => {
        asked.push(text);
        return query(text, values);
      };
      try {
        const random = randomBytes(32).toString("base64url");
        for (const secret of [changedLetter(account.key), `lk_test_${random}`, `lk_live_${random}xxxxxx`])
          expect((await api.call("GET", "/api/v1/agents", { token: secret })).status).toBe(401);
        for (const secret of [changedLetter(token), `AGT-${random}`, `AGT-${random}xxxxxx`])
          expect((await api.call("POST", "/api/v1/mcp/verify", { token: secret })).status).toBe(401);
        expect(asked.filter((text) => text.includes("look-up"))).toEqual([]);
        const made = mintSecret("AGT-", randomBytes);
        expect((await api.call("POST", "/api/v1/mcp/verify", { token: made })).status).toBe(401);
        expect(asked.filter((text) => text.includes("look-up"))).toHaveLength(1);
      } finally {
        api.db.query = query;
      }
    });

    it("is refused where the header has another scheme", async () => {
      const headers = { authorization: `Basic ${account.key}` };
      const answer = await api.call("GET", "/api/v1/agents", { headers });
      expect(answer).toMatchObject({ status: 401, body: { error: expect.stringContaining("Bearer") } });
    });

    it("that is a management key is refused where a token belongs, and never repeated in the answer", async () => {
      const answer = await api.call("POST", "/api/v1/mcp/verify", { token: account.key });
      expect(answer).toMatchObject({ status: 401, body: { error: expect.stringContaining("AGT-") } });
      expect(JSON.stringify(answer.body)).not.toContain(account.key);
    });

    it("that has expired is refused with the time at which it did", async () => {
      try {
        const { token: old } = await createAuthorizedAgent(api, account.key, { expiresIn: 60 });
        api.setTime(new Date(Date.now() + 61_000));
        const answer = await api.call("POST", "/api/v1/mcp/verify", { token: old });
        expect(answer).toMatchObject({
          status: 401,
          body: {
            code: "UNAUTHORIZED",
            error: expect.stringContaining("expired at"),
            details: { expiredAt: expect.any(String) },
          },
        });
      } finally {
        api.setTime(null);
      }
    });

    it("without the key's scope is refused with 403 and names the scope", async () => {
      const readOnly = await api.createKey(account, "test", ["agents:read"]);
      const answer = await api.call("POST", "/api/v1/agents", { token: readOnly, body: { name: "x" } });
      expect(answer).toMatchObject({
        status: 403,
        body: { code: "FORBIDDEN", details: { requiredScope: "agents:write" } },
      });
    });

    it("without a scope that the call requires is refused with 403 and nothing is recorded", async () => {
      const before = await totals();
      const answer = await verify({
        meterName: "api_calls",
        requiredScopes: ["mcp:invoke", "weather:admin"],
      });
      expect(answer).toMatchObject({
        status: 403,
        body: { code: "INSUFFICIENT_SCOPE", details: { missingScopes: ["weather:admin"] } },
      });
      expect(await totals()).toEqual(before);
    });
  });

  describe("a quantity", () => {
    it.each([
      ["negative", "-1"],
      ["zero", "0"],
      ["a fraction", "1.5"],
      ["too large", String(MAX_QUANTITY + 1)],
      ["beyond what a number holds", "1e400"],
      ["a text", '"5"'],
      ["null", "null"],
    ])("that is %s is refused with 400 at its path, and nothing is recorded", async (_, quantity) => {
      const before = await totals();
      const answer = await verify(`{"meterName":"api_calls","quantity":${quantity}}`);
      expect(answer).toMatchObject({
        status: 400,
        body: {
          code: "VALIDATION_ERROR",
          details: { issues: [{ path: "quantity", message: expect.any(String) }] },
        },
      });
      expect(await totals()).toEqual(before);
    });

    it("needs a meter", async () => {
      expect(await verify({ quantity: 3 })).toMatchObject({
        status: 400,
        body: { details: { issues: [{ path: "meterName" }] } },
      });
    });

    it.each([1, MAX_QUANTITY])(
      "of %i is recorded where the meter lets one call use as much",
      async (quantity) => {
        const [meter] = (await api.call("GET", "/api/v1/meters", { token: account.key })).body.data;
        await api.call("PATCH", `/api/v1/meters/${meter.id}`, {
          token: account.key,
          body: { maxQuantityPerCall: MAX_QUANTITY },
        });
        const answer = await verify({ meterName: "api_calls", quantity });
        expect(answer).toMatchObject({ status: 200, body: { data: { event: { quantity } } } });
      },
    );
  });

  it("says that a meter does not exist, and what to do, with 422", async () => {
    expect(await verify({ meterName: "api_cals" })).toMatchObject({
      status: 422,
      body: { code: "UNPROCESSABLE", error: expect.stringContaining('no meter "api_cals"') },
    });
  });

  it.each([
    ["broken JSON", "{", 400, "VALIDATION_ERROR"],
    ["a list", "[]", 400, "VALIDATION_ERROR"],
    ["null", "null", 400, "VALIDATION_ERROR"],
    ["an unknown member", '{"meter":"api_calls"}', 400, "VALIDATION_ERROR"],
    ["a poisoned prototype", '{"__proto__":{"meterName":"api_calls"}}', 400, "VALIDATION_ERROR"],
    ["more than a megabyte", JSON.stringify({ meterName: "x".repeat(1_100_000) }), 413, "PAYLOAD_TOO_LARGE"],
  ])("refuses a body that is %s", async (_, body, status, code) => {
    expect(await verify(body)).toMatchObject({
      status,
      body: { code, error: expect.any(String), requestId: expect.any(String) },
    });
  });

  it("refuses a body that is not JSON with 415", async () => {
    const answer = await verify("meterName=api_calls", {
      "content-type": "application/x-www-form-urlencoded",
    });
    expect(answer).toMatchObject({ status: 415, body: { code: "UNSUPPORTED_MEDIA_TYPE" } });
  });

  it.each([
    ["an agent", "GET", `/api/v1/agents/${UNKNOWN_ID}`],
    ["a period", "GET", `/api/v1/billing/periods/${UNKNOWN_ID}`],
    ["a period to close", "POST", `/api/v1/billing/periods/${UNKNOWN_ID}/close`],
    ["a period to invoice", "POST", `/api/v1/billing/periods/${UNKNOWN_ID}/invoice`],
    ["an id that is no UUID", "GET", "/api/v1/agents/agt_123"],
    ["a path", "GET", "/api/v1/nothing"],
  ] as const)("answers 404 for %s that does not exist", async (_, method, path) => {
    expect(await api.call(method, path, { token: account.key })).toMatchObject({
      status: 404,
      body: { code: "NOT_FOUND" },
    });
  });

  it("answers 404 when an unknown agent is authorized", async () => {
    const body = { agentId: UNKNOWN_ID, scopes: ["mcp:invoke"] };
    expect(await api.call("POST", "/api/v1/mcp/authorize", { token: account.key, body })).toMatchObject({
      status: 404,
    });
  });

  it.each(["0", "101", "1.5", "many"])("refuses a page size of %s", async (limit) => {
    const answer = await api.call("GET", `/api/v1/agents?limit=${limit}`, { token: account.key });
    expect(answer).toMatchObject({ status: 400, body: { details: { issues: [{ path: "limit" }] } } });
  });

  it("refuses a cursor that is no id", async () => {
    const answer = await api.call("GET", "/api/v1/agents?cursor=next", { token: account.key });
    expect(answer).toMatchObject({ status: 400, body: { details: { issues: [{ path: "cursor" }] } } });
  });

  it("refuses usage that would make a total inexact, and records the other usage that arrived with it", async () => {
    const other = await api.createAccount();
    const { token: large, agentId } = await createAuthorizedAgent(api, other.key);
    await api.call("POST", "/api/v1/mcp/verify", { token: large, body: { meterName: "api_calls" } });
    await api.db.query("UPDATE usage_totals SET quantity = $2 WHERE agent_id = $1", [
      agentId,
      Number.MAX_SAFE_INTEGER - 1,
    ]);
    const before = await totals();
    const [tooMuch, fits] = await Promise.all([
      api.call("POST", "/api/v1/mcp/verify", { token: large, body: { meterName: "api_calls", quantity: 2 } }),
      verify({ meterName: "api_calls", quantity: 2 }),
    ]);
    expect(tooMuch).toMatchObject({ status: 422, body: { code: "UNPROCESSABLE" } });
    expect(fits.status).toBe(200);
    expect((await totals())[0].quantity).toBe(before[0].quantity + 2);
  });
});
