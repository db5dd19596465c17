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

it("charges for the tools of the Python server as main.ts says", async () => {
  const { agentId, token } = await api.authorize();
  const agent = await connectHttp(server.url, token);
  expect(await agent.call("search", { words: "voyage" })).toMatchObject({
    isError: false,
    text: "The Voyage of the Beagle\nA Voyage Round the World",
  });
  expect(await api.billed(agentId)).toBe(1);
  expect((await agent.call("read", { book: "Walden", pages: 3 })).text).toContain("Walden, page 3");
  expect(await api.billed(agentId)).toBe(4);
  expect(await agent.call("read", { book: "Emma", pages: 3 })).toMatchObject({ isError: true });
  expect(await api.billed(agentId)).toBe(4);
  await agent.close();
});

it("leaves the free tool free, and asks for a token for all others", async () => {
  const stranger = await connectHttp(server.url);
  expect(await stranger.call("ping")).toMatchObject({ isError: false, text: "open" });
  await expect(stranger.call("search", { words: "a" })).rejects.toThrow(/401|Unauthorized/i);
  await stranger.close();
});
