import { afterAll, beforeAll, expect, it } from "vitest";
import { createAuthorizedAgent, startTestApi, type TestAccount, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

describeOnEachDatabase("idempotency on $name", (database) => {
  let api: TestApi;
  let account: TestAccount;
  beforeAll(async () => {
    api = await startTestApi(database);
    account = await api.createAccount();
  }, 60_000);
  afterAll(() => api.close());

  const key = (text: string) => ({ "idempotency-key": text });
  const agents = async () =>
    (await api.call("GET", "/api/v1/agents?limit=100", { token: account.key })).body.data;

  it("records usage once however often and however concurrently it is sent", async () => {
    const { token, agentId } = await createAuthorizedAgent(api, account.key);
    const send = () =>
      api.call("POST", "/api/v1/mcp/verify", {
        token,
        body: { meterName: "api_calls", quantity: 4 },
        headers: key("once"),
      });
    const answers = await Promise.all(Array.from({ length: 25 }, send));
    const events = answers.map((answer) => answer.body.data.event);
    expect(new Set(events.map((event) => event.id)).size).toBe(1);
    expect(events.filter((event) => !event.duplicate)).toHaveLength(1);
    const [row] = await api.db.query<{ sum: number }>(
      "SELECT sum(quantity)::bigint AS sum FROM usage_totals WHERE agent_id = $1",
      [agentId],
    );
    expect(row?.sum).toBe(4);
  });

  it("refuses a key that was used for other usage with 409", async () => {
    const { token } = await createAuthorizedAgent(api, account.key);
    const send = (quantity: number) =>
      api.call("POST", "/api/v1/mcp/verify", {
        token,
        body: { meterName: "api_calls", quantity },
        headers: key("same"),
      });
    await send(1);
    expect(await send(2)).toMatchObject({ status: 409, body: { code: "IDEMPOTENCY_CONFLICT" } });
  });

  it("keeps the keys of two agents apart", async () => {
    const [one, two] = [
      await createAuthorizedAgent(api, account.key),
      await createAuthorizedAgent(api, account.key),
    ];
    for (const { token } of [one, two]) {
      const answer = await api.call("POST", "/api/v1/mcp/verify", {
        token,
        body: { meterName: "api_calls" },
        headers: key("k"),
      });
      expect(answer.body.data.event.duplicate).toBe(false);
    }
  });

  it("counts two honest identical calls twice", async () => {
    const { token } = await createAuthorizedAgent(api, account.key);
    const call = () => api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls" } });
    const [first, second] = [await call(), await call()];
    expect(second.body.data.event.id).not.toBe(first.body.data.event.id);
  });

  it("creates a resource once, also when the requests come at the same time", async () => {
    const before = (await agents()).length;
    const create = () =>
      api.call("POST", "/api/v1/agents", {
        token: account.key,
        body: { name: "Only one" },
        headers: key("agent-1"),
      });
    const answers = await Promise.all(Array.from({ length: 10 }, create));
    expect(new Set(answers.map((answer) => answer.body.data.id)).size).toBe(1);
    expect((await agents()).length).toBe(before + 1);
  });

  it("gives the same caller a secret again, and stores it for nobody else", async () => {
    const { agentId } = await createAuthorizedAgent(api, account.key);
    const authorize = () =>
      api.call("POST", "/api/v1/mcp/authorize", {
        token: account.key,
        body: { agentId, scopes: ["mcp:invoke"] },
        headers: key("authorize-1"),
      });
    const [first, second] = [await authorize(), await authorize()];
    expect(second.body).toEqual(first.body);
    const [row] = await api.db.query<{ sealed_result: Uint8Array }>(
      "SELECT sealed_result FROM idempotency_keys WHERE key = 'authorize-1'",
    );
    expect(Buffer.from(row?.sealed_result ?? []).toString("latin1")).not.toContain("AGT-");
  });

  it("lets a request that failed be sent again under its key", async () => {
    const send = (name: string) =>
      api.call("POST", "/api/v1/meters", { token: account.key, body: { name }, headers: key("meter-1") });
    expect((await send("api_calls")).status).toBe(409);
    expect((await send("tokens")).status).toBe(201);
    expect((await send("api_calls")).body.code).toBe("IDEMPOTENCY_CONFLICT");
  });

  it("refuses a key that is no printable text", async () => {
    const answer = await api.call("POST", "/api/v1/agents", {
      token: account.key,
      body: { name: "x" },
      headers: key("x".repeat(256)),
    });
    expect(answer).toMatchObject({
      status: 400,
      body: { details: { issues: [{ path: "Idempotency-Key" }] } },
    });
  });
});
