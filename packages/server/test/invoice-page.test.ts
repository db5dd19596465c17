import { randomBytes, randomUUID } from "node:crypto";
import { KEY_SCOPES } from "@licentric/contract";
import { request } from "undici";
import { afterAll, beforeAll, expect, it } from "vitest";
import { mintSecret } from "../src/accounts/secrets.ts";
import {
  closeCurrentPeriod,
  createAuthorizedAgent,
  startTestApi,
  type TestAccount,
  type TestApi,
} from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

// The page and Stripe's endpoint are not in the route table, so the tests that are made from it do not reach them.
describeOnEachDatabase("the page of an invoice on $name", (database) => {
  let api: TestApi;
  let account: TestAccount;
  let payerId: string;
  let invoiceId: string;
  beforeAll(async () => {
    api = await startTestApi(database, { logLevel: "silent" });
    account = await api.createAccount({ name: `<script>alert("a")</script> & 'Sons'` });
    const { liveKey: token } = account;
    const make = async (path: string, body: object = {}) =>
      (await api.call("POST", `/api/v1${path}`, { token, body })).body.data;
    payerId = (await make("/customers", { name: "Ada & Co", email: "ada@example.com" })).id;
    const agent = await make("/agents", { name: "Test agent", customerId: payerId });
    const price = { model: "per_unit", unitPrice: "0.5" };
    await make("/meters", { name: "pages", displayName: "<img src=y>", price });
    await make("/usage/events", { events: [{ agentId: agent.id, meterName: "pages", quantity: 20 }] });
    const periodId = await closeCurrentPeriod(api, token);
    invoiceId = (await make(`/billing/periods/${periodId}/invoice`, { customerId: payerId })).id;
    await make(`/billing/invoices/${invoiceId}/credit-notes`, { amount: "1", memo: "<img src=x>" });
  }, 60_000);
  afterAll(() => api.close());

  const pathOf = (id: string) => `/api/v1/billing/invoices/${id}/html`;

  /** Reads the page as text; what refuses it is JSON. */
  async function read(token?: string, id = invoiceId) {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await request(api.url + pathOf(id), { headers });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  }

  it("can do nothing but be read", async () => {
    const { status, headers, text } = await read(account.liveKey);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": expect.stringMatching(/^default-src 'none'; style-src 'sha256-/),
      "cache-control": "private, no-store",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    });
    expect(text).toContain("&lt;script&gt;alert(&quot;a&quot;)&lt;/script&gt; &amp; &#39;Sons&#39;");
    expect(text).toContain("Ada &amp; Co");
    expect(text).not.toMatch(/<script|<img|https?:|url\(/);
    expect(text).toContain("9.00 USD");
  });

  it("is shown to a key with billing:read, and to no other credential", async () => {
    expect((await read(await api.createKey(account, "live", ["billing:read"]))).status).toBe(200);
    const others = KEY_SCOPES.filter((scope) => scope !== "billing:read");
    const { token: agentToken } = await createAuthorizedAgent(api, account.liveKey);
    const spare = await api.call("POST", "/api/v1/keys", { token: account.liveKey, body: { name: "spare" } });
    const { id, key: revoked } = spare.body.data;
    expect((await api.call("POST", `/api/v1/keys/${id}/revoke`, { token: account.liveKey })).status).toBe(
      200,
    );
    const refused = {
      none: [401, undefined],
      "an agent's token": [401, agentToken],
      "one that is made up": [401, mintSecret("lk_live_", randomBytes)],
      "one that was revoked": [401, revoked],
      "one with every scope but billing:read": [403, await api.createKey(account, "live", others)],
    } as const;
    for (const [credential, [status, token]] of Object.entries(refused)) {
      const answer = await read(token);
      expect({ credential, status: answer.status }).toEqual({ credential, status });
      expectNothingShown(answer.text);
    }
    const inQuery = await api.call("GET", `${pathOf(invoiceId)}?token=${account.liveKey}`);
    expect(inQuery.status).toBe(401);
  });

  it("is not found with another account's key nor with one of the other mode, as one that is nowhere", async () => {
    const stranger = await api.createAccount();
    for (const token of [account.key, stranger.key, stranger.liveKey]) {
      const answer = await read(token);
      expect(answer.status).toBe(404);
      expectNothingShown(answer.text);
      const nowhere = randomUUID();
      const missing = await read(token, nowhere);
      const { error, code } = JSON.parse(missing.text);
      const foreign = JSON.parse(answer.text);
      expect({ error: foreign.error, code: foreign.code }).toEqual({
        error: error.replace(nowhere, invoiceId),
        code,
      });
    }
  });

  it("is no way to anything by an id of another form", async () => {
    for (const id of ["x", "%00", "..%2f..%2fkeys", `${invoiceId}'--`, payerId]) {
      expect([400, 404]).toContain((await read(account.liveKey, id)).status);
    }
  });

  function expectNothingShown(text: string): void {
    for (const mark of ["Sons", "Ada", payerId, "ada@example.com", "10.00", "9.00"])
      expect(text).not.toContain(mark);
  }

  it("has a neighbour, Stripe's endpoint, that no key of ours opens", async () => {
    for (const token of [account.key, account.liveKey, undefined]) {
      const answer = await api.call("POST", "/webhooks/stripe", { token, body: { type: "invoice.paid" } });
      expect(answer).toMatchObject({ status: 404, body: { code: "NOT_FOUND" } });
    }
  });
});
