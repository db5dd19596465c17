import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Answer, createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

describeOnEachDatabase("agents and credentials on $name", (database) => {
  let api: TestApi;
  let key: string;
  beforeAll(async () => {
    api = await startTestApi(database);
    ({ key } = await api.createAccount());
  }, 60_000);
  afterEach(() => api.setTime(null));
  afterAll(() => api.close());

  const verify = (token: string) => api.call("POST", "/api/v1/mcp/verify", { token });
  const call = (method: "GET" | "POST" | "PATCH" | "DELETE", path: string, body?: unknown) =>
    api.call(method, `/api/v1${path}`, { token: key, body });
  const credentialsOf = async (agentId: string) =>
    (await call("GET", `/agents/${agentId}/credentials`)).body.data;

  it("changes what is named of an agent and leaves the rest", async () => {
    const customer = (await call("POST", "/customers", { name: "Payer" })).body.data;
    const made = (await call("POST", "/agents", { name: "bot", metadata: { team: "a" } })).body.data;
    const first = await call("PATCH", `/agents/${made.id}`, { customerId: customer.id });
    expect(first.body.data).toMatchObject({
      name: "bot",
      customerId: customer.id,
      metadata: { team: "a" },
      status: "active",
    });
    const second = await call("PATCH", `/agents/${made.id}`, { name: "robot", metadata: {} });
    expect(second.body.data).toMatchObject({ name: "robot", customerId: customer.id, metadata: {} });
    const third = await call("PATCH", `/agents/${made.id}`, { customerId: null });
    expect(third.body.data).toMatchObject({ name: "robot", customerId: null });
    expect((await call("GET", `/agents/${made.id}`)).body).toEqual(third.body);
    const unknown = await call("PATCH", `/agents/${made.id}`, { customerId: made.id });
    expect(unknown).toMatchObject({ status: 404, body: { code: "NOT_FOUND" } });
  });

  it("refuses a suspended agent's tokens until it is active again", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, key);
    await call("PATCH", `/agents/${agentId}`, { status: "suspended" });
    expect(await verify(token)).toMatchObject({ status: 401, body: { code: "UNAUTHORIZED" } });
    const authorize = await call("POST", "/mcp/authorize", { agentId, scopes: ["mcp:invoke"] });
    expect(authorize).toMatchObject({ status: 409, body: { code: "CONFLICT" } });
    await call("PATCH", `/agents/${agentId}`, { status: "active" });
    expect((await verify(token)).status).toBe(200);
  });

  it("deletes an agent with its tokens and keeps its usage", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, key);
    const body = { meterName: "api_calls", quantity: 3 };
    await api.call("POST", "/api/v1/mcp/verify", { token, body });
    expect(await call("DELETE", `/agents/${agentId}`)).toMatchObject({
      status: 200,
      body: { data: { id: agentId } },
    });
    expect((await verify(token)).status).toBe(401);
    expect((await call("GET", `/agents/${agentId}`)).status).toBe(404);
    expect((await call("DELETE", `/agents/${agentId}`)).status).toBe(404);
    expect((await call("PATCH", `/agents/${agentId}`, { name: "back" })).status).toBe(404);
    expect(
      (await call("GET", "/agents?limit=100")).body.data.map((agent: { id: string }) => agent.id),
    ).not.toContain(agentId);
    const totals = await call("GET", `/usage/totals?agentId=${agentId}`);
    expect(totals.body.data).toMatchObject([{ meterName: "api_calls", quantity: 3 }]);
  });

  it("lists credentials newest first without their secrets", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, key);
    await call("POST", "/mcp/authorize", { agentId, scopes: ["search"], name: "second" });
    const listed = await call("GET", `/agents/${agentId}/credentials`);
    expect(listed.body.data).toMatchObject([
      { agentId, name: "second", scopes: ["search"], status: "active", revokedAt: null },
      { agentId, name: null, scopes: ["mcp:invoke"], hint: token.slice(-4) },
    ]);
    expect(JSON.stringify(listed.body)).not.toContain(token);
    const page = await call("GET", `/agents/${agentId}/credentials?limit=1`);
    const next = page.body.pagination.nextCursor;
    const rest = await call("GET", `/agents/${agentId}/credentials?limit=1&cursor=${next}`);
    expect(rest.body).toMatchObject({ data: [listed.body.data[1]], pagination: { hasMore: false } });
  });

  it("refuses a revoked token at once, and revoking again changes nothing", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, key);
    const [credential] = await credentialsOf(agentId);
    const revoked = await call("POST", `/credentials/${credential.id}/revoke`);
    expect(revoked.body.data).toMatchObject({ id: credential.id, status: "revoked" });
    expect(await verify(token)).toMatchObject({ status: 401 });
    expect((await call("POST", `/credentials/${credential.id}/revoke`)).body).toEqual(revoked.body);
    expect(await call("POST", `/credentials/${credential.id}/rotate`, {})).toMatchObject({
      status: 409,
      body: { code: "CONFLICT" },
    });
    expect((await call("POST", `/credentials/${agentId}/revoke`)).status).toBe(404);
  });

  it("refuses a revoked token also where the clock is behind the one that it was revoked by", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, key);
    const [credential] = await credentialsOf(agentId);
    await call("POST", `/credentials/${credential.id}/revoke`);
    api.setTime(new Date(Date.now() - 60_000));
    try {
      expect(await verify(token)).toMatchObject({ status: 401 });
    } finally {
      api.setTime(null);
    }
  });

  it("rotates a credential: the old token ends at once, or after the overlap", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, key, {
      scopes: ["a", "b"],
      expiresIn: 7_200,
    });
    const [first] = await credentialsOf(agentId);
    const start = new Date();
    api.setTime(start);
    const second = (await call("POST", `/credentials/${first.id}/rotate`, { overlap: 60 })).body.data;
    expect(second).toMatchObject({ agentId, scopes: ["a", "b"] });
    const later = (seconds: number) => new Date(start.getTime() + seconds * 1_000);
    expect((await verify(token)).body.data.expiresAt).toBe(later(60).toISOString());
    api.setTime(later(59));
    expect((await verify(token)).status).toBe(200);
    api.setTime(later(60));
    expect((await verify(token)).status).toBe(401);
    expect((await verify(second.token)).status).toBe(200);

    const third = (await call("POST", `/credentials/${second.credentialId}/rotate`, { expiresIn: 5 })).body
      .data;
    expect((await verify(second.token)).status).toBe(401);
    expect((await verify(third.token)).body.data.expiresAt).toBe(later(65).toISOString());
    expect((await credentialsOf(agentId)).map(({ status }: { status: string }) => status)).toEqual([
      "active",
      "revoked",
      "expired",
    ]);
  });

  it("never lets an overlap lengthen a token's life", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, key, { expiresIn: 10 });
    const before = (await verify(token)).body.data.expiresAt;
    const [credential] = await credentialsOf(agentId);
    await call("POST", `/credentials/${credential.id}/rotate`, { overlap: 3_600 });
    expect((await verify(token)).body.data.expiresAt).toBe(before);
  });

  it("says when a key and a token were used last", async () => {
    const { agentId, token } = await createAuthorizedAgent(api, key);
    expect((await credentialsOf(agentId))[0].lastUsedAt).toBeNull();
    const at = new Date("2031-05-06T07:08:09.000Z");
    const { token: longLived } = (
      await call("POST", "/mcp/authorize", { agentId, scopes: ["x"], expiresIn: 7_776_000 })
    ).body.data;
    await verify(token);
    await verify(longLived);
    api.setTime(at);
    await call("GET", "/agents");
    await api.restart();
    const used = await credentialsOf(agentId);
    expect(used.map(({ lastUsedAt }: { lastUsedAt: string | null }) => lastUsedAt)).toEqual([
      expect.stringMatching(/T/),
      expect.stringMatching(/T/),
    ]);
    const keys = await call("GET", "/keys");
    const times = keys.body.data.map(({ lastUsedAt }: { lastUsedAt: string | null }) => lastUsedAt);
    expect(times).toContain(at.toISOString());
  });

  it("keeps customers", async () => {
    const made = await call("POST", "/customers", { name: "Acme", email: "pay@acme.example" });
    expect(made).toMatchObject({ status: 201, body: { data: { stripeCustomerId: null, metadata: {} } } });
    const { id } = made.body.data;
    const changed = await call("PATCH", `/customers/${id}`, { email: null, stripeCustomerId: "cus_1" });
    expect(changed.body.data).toMatchObject({ name: "Acme", email: null, stripeCustomerId: "cus_1" });
    expect((await call("GET", `/customers/${id}`)).body).toEqual(changed.body);
    expect((await call("GET", "/customers")).body.data[0]).toEqual(changed.body.data);
    expect((await call("PATCH", "/customers/nobody", { name: "x" })).status).toBe(404);
  });

  it("finds agents and customers by their whole name", async () => {
    for (const resource of ["agents", "customers"]) {
      const ids = [];
      for (const name of ["Twin", "Twin & Co", "Twin"]) {
        ids.push((await call("POST", `/${resource}`, { name })).body.data.id);
      }
      const found = async (name: string) =>
        (await call("GET", `/${resource}?name=${encodeURIComponent(name)}`)).body.data.map(
          ({ id }: { id: string }) => id,
        );
      expect(await found("Twin")).toEqual([ids[2], ids[0]]);
      expect(await found("Twin & Co")).toEqual([ids[1]]);
      expect(await found("twin")).toEqual([]);
      expect((await call("GET", `/${resource}?name=`)).status).toBe(400);
    }
  });

  if (database.name === "PostgreSQL") {
    it("refuses a revoked token, a suspended agent and a revoked key on every process within a second", async () => {
      const { agentId, token } = await createAuthorizedAgent(api, key);
      const peer = await api.startPeer();
      // The answer to a request that was sent a second after the change; those before it are in use all the while.
      const aSecondLater = async (send: () => Promise<Answer>) => {
        const changed = performance.now();
        for (;;) {
          const sent = performance.now();
          const { status } = await send();
          if (sent - changed >= 1_000) return status;
        }
      };
      try {
        const onPeer = () => peer.call("POST", "/api/v1/mcp/verify", { token });
        expect((await onPeer()).status).toBe(200);
        await call("PATCH", `/agents/${agentId}`, { status: "suspended" });
        expect(await aSecondLater(onPeer)).toBe(401);
        await call("PATCH", `/agents/${agentId}`, { status: "active" });
        expect((await onPeer()).status).toBe(200);
        const [credential] = (await call("GET", `/agents/${agentId}/credentials`)).body.data;
        await call("POST", `/credentials/${credential.id}/revoke`);
        expect(await aSecondLater(onPeer)).toBe(401);

        const made = (await call("POST", "/keys", { name: "second" })).body.data;
        const withKey = () => peer.call("GET", "/api/v1/agents", { token: made.key });
        expect((await withKey()).status).toBe(200);
        await call("POST", `/keys/${made.id}/revoke`);
        expect(await aSecondLater(withKey)).toBe(401);
      } finally {
        await peer.close();
      }
    });
  }

  describe("the audit log", () => {
    it("says who changed what when, and by which request", async () => {
      const account = await api.createAccount();
      const writer = await api.createKey(account, "test", ["agents:write"]);
      const keys = (await api.call("GET", "/api/v1/keys", { token: account.key })).body.data;
      const { id: keyId } = keys.find(({ hint }: { hint: string }) => hint === writer.slice(-4));
      const made = await api.call("POST", "/api/v1/agents", { token: writer, body: { name: "secret name" } });
      const { id: agentId } = made.body.data;
      const authorized = await api.call("POST", "/api/v1/mcp/authorize", {
        token: writer,
        body: { agentId, scopes: ["mcp:invoke"] },
      });
      const { credentialId } = authorized.body.data;
      const rotated = await api.call("POST", `/api/v1/credentials/${credentialId}/rotate`, { token: writer });

      const log = await api.call("GET", "/api/v1/audit-events", { token: account.key });
      expect(log.body.data).toMatchObject([
        { operation: "credentials.rotate", resourceIds: [credentialId, rotated.body.data.credentialId] },
        { operation: "mcp.authorize", keyId, resourceIds: [credentialId] },
        {
          operation: "agents.create",
          keyId,
          resourceIds: [agentId],
          requestId: made.headers["x-request-id"],
          createdAt: expect.stringMatching(/^\d{4}-/),
        },
      ]);
      const text = JSON.stringify(log.body);
      for (const secret of ["secret name", authorized.body.data.token, rotated.body.data.token, writer])
        expect(text).not.toContain(secret);
      const narrowed = await api.call("GET", `/api/v1/audit-events?resourceId=${agentId}&keyId=${keyId}`, {
        token: account.key,
      });
      expect(narrowed.body.data).toHaveLength(1);
      const byOperation = await api.call("GET", "/api/v1/audit-events?operation=mcp.authorize", {
        token: account.key,
      });
      expect(byOperation.body.data).toHaveLength(1);
    });

    it("has one entry for a repeated request, and none for a refused one", async () => {
      const account = await api.createAccount();
      const create = (body: unknown) =>
        api.call("POST", "/api/v1/agents", {
          token: account.key,
          body,
          headers: { "idempotency-key": "once" },
        });
      await create({ name: "one" });
      await create({ name: "one" });
      expect((await create({ name: "two" })).status).toBe(409);
      await api.call("PATCH", "/api/v1/agents/none", { token: account.key, body: { name: "x" } });
      const log = await api.call("GET", "/api/v1/audit-events", { token: account.key });
      expect(log.body.data).toHaveLength(1);
    });

    it("is for keys with its scope alone, and for the key's own account and mode", async () => {
      const account = await api.createAccount();
      await api.call("POST", "/api/v1/agents", { token: account.key, body: { name: "x" } });
      const without = await api.createKey(account, "test", ["agents:read"]);
      expect(await api.call("GET", "/api/v1/audit-events", { token: without })).toMatchObject({
        status: 403,
      });
      const withScope = await api.createKey(account, "test", ["audit:read"]);
      expect((await api.call("GET", "/api/v1/audit-events", { token: withScope })).body.data).toHaveLength(1);
      const live = await api.call("GET", "/api/v1/audit-events", { token: account.liveKey });
      expect(live.body.data).toEqual([]);
      const stranger = await api.createAccount();
      const foreign = await api.call("GET", "/api/v1/audit-events", { token: stranger.key });
      expect(foreign.body.data).toEqual([]);
    });
  });
});
