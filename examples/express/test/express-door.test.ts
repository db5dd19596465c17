import { afterAll, beforeAll, expect, it } from "vitest";
import { type Api, startApi } from "../../../packages/mcp/test/api.ts";
import { connectHttp } from "../../testing/src/connect.ts";
import { type ServingExample, serveExample } from "../../testing/src/run-example.ts";

const METADATA_URL = "https://weather.example.com/.well-known/oauth-protected-resource/mcp";

let api: Api;
let server: ServingExample;
beforeAll(async () => {
  api = await startApi();
  server = await serveExample({
    main: new URL("../src/main.ts", import.meta.url),
    env: { LICENTRIC_BASE_URL: api.url, PUBLIC_URL: "https://weather.example.com" },
  });
});
afterAll(async () => {
  const ended = await server?.stop();
  await api?.close();
  expect(ended).toMatchObject({ code: 0, stderr: "" });
});

const post = (tool: string, token?: string) =>
  fetch(server.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: tool, arguments: { city: "Oslo" } },
    }),
  });

it("tells a client what the server expects, and charges the one that brings it", async () => {
  const metadata = await fetch(new URL("/.well-known/oauth-protected-resource/mcp", server.url));
  expect(await metadata.json()).toEqual({
    resource: "https://weather.example.com/mcp",
    resource_name: "Weather",
    scopes_supported: ["mcp:invoke"],
    bearer_methods_supported: ["header"],
  });

  const { agentId, token } = await api.authorize();
  const agent = await connectHttp(server.url, token);
  expect(await agent.call("forecast", { city: "Oslo" })).toMatchObject({
    isError: false,
    text: "Oslo: 13 °C",
  });
  expect(await api.billed(agentId)).toBe(1);
  await agent.close();
});

it("answers 401 with a challenge to who brings no good token", async () => {
  for (const token of [undefined, "sk-1234567890", "AGT-unknown-unknown"]) {
    const response = await post("forecast", token);
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer .*error="invalid_token"/);
    expect(response.headers.get("www-authenticate")).toContain(`resource_metadata="${METADATA_URL}"`);
  }
});

it("answers 403 with the scope to ask for, bills nothing, and serves the token that has it", async () => {
  const plain = await api.authorize();
  const refused = await post("correct", plain.token);
  expect(refused.status).toBe(403);
  expect(refused.headers.get("www-authenticate")).toMatch(/insufficient_scope.*weather:admin/);
  expect(await api.billed(plain.agentId)).toBe(0);

  const admin = await api.authorize(["mcp:invoke", "weather:admin"]);
  const served = await post("correct", admin.token);
  expect(served.status).toBe(200);
  expect(await served.text()).toContain("Oslo: corrected");
  expect(await api.billed(admin.agentId)).toBe(1);
});
