import { afterAll, beforeAll, expect, it } from "vitest";
import { type Api, startApi } from "../../../packages/mcp/test/api.ts";
import { connectHttp } from "../../testing/src/connect.ts";
import { type ServingExample, serveExample } from "../../testing/src/run-example.ts";

let api: Api;
let server: ServingExample;
beforeAll(async () => {
  api = await startApi();
  server = await serveExample({
    main: new URL("../src/main.ts", import.meta.url),
    env: { LICENTRIC_BASE_URL: api.url },
  });
});
afterAll(async () => {
  const ended = await server?.stop();
  await api?.close();
  expect(ended).toMatchObject({ code: 0, stderr: "" });
});

it("serves each agent under its own name, and bills each for its own calls", async () => {
  for (const calls of [1, 2]) {
    const { agentId, token } = await api.authorize();
    const agent = await connectHttp(server.url, token);
    for (let call = 0; call < calls; call++) {
      expect(await agent.call("forecast", { city: "Oslo" })).toMatchObject({
        isError: false,
        text: `Oslo: 13 °C, for agent ${agentId}`,
      });
    }
    expect(await api.billed(agentId)).toBe(calls);
    await agent.close();
  }
});

it("answers 401 to who brings no good token, 403 to one without the scope, and says where to read on", async () => {
  const { agentId, token } = await api.authorize(["other:scope"]);
  for (const [credential, status] of [
    [undefined, 401],
    ["AGT-unknown-unknown", 401],
    [token, 403],
  ] as const) {
    const response = await fetch(server.url, {
      method: "POST",
      headers: credential === undefined ? {} : { authorization: `Bearer ${credential}` },
    });
    expect(response.status).toBe(status);
    expect(response.headers.get("www-authenticate")).toContain("/.well-known/oauth-protected-resource/mcp");
  }
  const metadata = await fetch(new URL("/.well-known/oauth-protected-resource/mcp", server.url));
  expect(await metadata.json()).toMatchObject({ resource_name: "Weather", scopes_supported: ["mcp:invoke"] });
  expect(await api.billed(agentId)).toBe(0);
});
