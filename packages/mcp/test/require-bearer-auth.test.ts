import { requireBearerAuth as requireBearerAuthV1 } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { createMcpHandler, McpServer, requireBearerAuth } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createPaywall, type Paywall, protectedResourceMetadataUrl } from "../src/index.ts";
import { text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

let api: StandIn;
let paywall: Paywall;
let token: string;
beforeEach(async () => {
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
  paywall = createPaywall({ baseUrl: api.url, scopeStepUp: true });
});
afterEach(async () => {
  vi.useRealTimers();
  await paywall.close();
  await api.close();
});

const url = "https://tools.example.com/mcp";
const request = (bearer?: string, init: RequestInit = {}) =>
  new Request(url, {
    ...init,
    headers: { ...init.headers, ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }) },
  });

async function answerOf(auth: unknown) {
  if (!(auth instanceof Response)) return { status: 200, auth };
  return {
    status: auth.status,
    challenge: auth.headers.get("www-authenticate"),
    body: await auth.json(),
    headers: auth.headers,
  };
}

async function v1(bearer: string | undefined, requiredScopes: string[]) {
  const answer = { status: 200, challenge: undefined as unknown };
  const middleware = requireBearerAuthV1({ verifier: paywall.verifier(), requiredScopes });
  const incoming: { headers: Record<string, string>; auth?: { clientId: string } } = {
    headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
  };
  const outgoing = {
    set: (_: string, value: string) => {
      answer.challenge = value;
      return outgoing;
    },
    status: (status: number) => {
      answer.status = status;
      return outgoing;
    },
    json: () => outgoing,
  };
  // What the middleware uses of Express, without Express.
  await middleware(incoming as never, outgoing as never, () => undefined);
  return { ...answer, auth: incoming.auth };
}

const v2 = (bearer: string | undefined, requiredScopes: string[]) =>
  requireBearerAuth({ verifier: paywall.verifier(), requiredScopes })(request(bearer)).then(answerOf);

const enterOurs = (bearer: string | undefined, requiredScopes: string[]) =>
  paywall.requireBearerAuth({ resource: url, requiredScopes })(request(bearer)).then(answerOf);

describe.each([
  ["requireBearerAuth of v1", v1],
  ["requireBearerAuth of v2", v2],
  ["paywall.requireBearerAuth", enterOurs],
])("%s", (name, enter) => {
  it("lets a valid token in, and says who it is", async () => {
    const { status, auth } = await enter(token, ["mcp:invoke"]);
    expect(status).toBe(200);
    expect(auth).toMatchObject({ clientId: "agt_1", scopes: ["mcp:invoke"], expiresAt: expect.any(Number) });
  });

  it.each([
    ["none", undefined],
    ["no token of ours", "sk-1234567890"],
    ["unknown", "AGT-unknown-unknown"],
  ])("answers 401 with a challenge: %s", async (_, bearer) => {
    for (const scopes of [[], ["mcp:invoke"]]) {
      const { status, challenge } = await enter(bearer, scopes);
      expect(status).toBe(401);
      expect(challenge).toMatch(/^Bearer /);
    }
  });

  it("answers 403 with the scope that is missing", async () => {
    const { status, challenge } = await enter(token, ["mcp:admin"]);
    expect(status).toBe(403);
    expect(challenge).toMatch(/insufficient_scope.*scope="mcp:admin"/);
  });

  it("does not take an outage for a bad token", async () => {
    api.always = "drop-request";
    expect((await enter(token, [])).status).toBe(name === "paywall.requireBearerAuth" ? 503 : 500);
  });

  it("asks once, not with every request", async () => {
    for (let index = 0; index < 5; index++) await enter(token, []);
    expect(api.seen).toHaveLength(1);
  });
});

it("serves RFC 9728 metadata, and names it in its challenges", async () => {
  const enter = paywall.requireBearerAuth({
    resource: url,
    authorizationServers: ["https://login.example.com"],
    requiredScopes: ["mcp:invoke"],
    resourceName: "Forecasts",
  });
  const metadataUrl = protectedResourceMetadataUrl(url);
  expect(metadataUrl).toBe("https://tools.example.com/.well-known/oauth-protected-resource/mcp");
  const metadata = await answerOf(await enter(new Request(metadataUrl)));
  expect(metadata.body).toEqual({
    resource: url,
    authorization_servers: ["https://login.example.com"],
    scopes_supported: ["mcp:invoke"],
    bearer_methods_supported: ["header"],
    resource_name: "Forecasts",
  });
  expect((await answerOf(await enter(request()))).challenge).toContain(`resource_metadata="${metadataUrl}"`);
});

it("forgets whom it knew when their token expires", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const expiresAt = new Date(Date.now() + 5_000);
  const expiring = api.ledger.authorize("agt_2", { expiresAt });
  const enter = paywall.requireBearerAuth({ resource: url });
  expect((await answerOf(await enter(request(expiring)))).status).toBe(200);
  vi.setSystemTime(expiresAt);
  expect((await answerOf(await enter(request(expiring)))).status).toBe(401);
});

it("answers 429 with Retry-After", async () => {
  api.ledger.refuseWith("rate_limited", { retryAfter: 12 });
  const { status, headers } = await answerOf(
    await paywall.requireBearerAuth({ resource: url })(request(token)),
  );
  expect(status).toBe(429);
  expect(headers?.get("retry-after")).toBe("12");
});

it("costs one request a call once a token is known, and verifies every call where it is billed", async () => {
  const adminOnly = paywall.tool({ meterName: "api_calls", scopes: ["mcp:admin"] }, async () => text("ran"));
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "server", version: "1" });
    server.registerTool("t", {}, () => text("ran"));
    server.registerTool("admin", {}, () => text("ran"));
    server.registerTool("own", {}, adminOnly);
    return paywall.protect(server, {
      tools: { t: { meterName: "api_calls" }, admin: { meterName: "api_calls", scopes: ["mcp:admin"] } },
    });
  });
  const enter = paywall.requireBearerAuth({ resource: url });
  const call = async (name: string) => {
    const body = JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name, arguments: {} },
    });
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const incoming = request(token, { method: "POST", headers, body });
    const authInfo = await enter(incoming.clone());
    return authInfo instanceof Response ? authInfo : handler.fetch(incoming, { authInfo });
  };
  await (await call("t")).text();
  api.seen.length = 0;
  expect(await (await call("t")).text()).toContain("ran");
  expect(api.seen).toHaveLength(1);
  // Scope step-up, as the authorization specification asks.
  for (const name of ["admin", "own"]) {
    const stepUp = await call(name);
    expect(stepUp.status).toBe(403);
    expect(stepUp.headers.get("www-authenticate")).toMatch(/error="insufficient_scope".*scope="mcp:admin"/);
  }
  expect(api.ledger.usage).toHaveLength(2);
  // It trusts for a while; the gate behind it does not.
  api.ledger.revoke(token);
  expect(await (await call("t")).text()).toContain("invalid_token");
  expect((await call("t")).status).toBe(401);
});
