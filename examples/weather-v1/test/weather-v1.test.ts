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

it("serves each agent what it pays for, and bills each for its own calls", async () => {
  const [mine, theirs] = [await api.authorize(), await api.authorize()];
  const me = await connectHttp(server.url, mine.token);
  const they = await connectHttp(server.url, theirs.token);

  expect(await me.call("forecast", { city: "Oslo" })).toMatchObject({ isError: false, text: "Oslo: 13 °C" });
  expect((await me.call("history", { city: "Oslo", days: 5 })).text.split(", ")).toHaveLength(5);
  expect(await they.call("forecast", { city: "Lima" })).toMatchObject({ isError: false });

  expect(await api.billed(mine.agentId)).toBe(6);
  expect(await api.billed(theirs.agentId)).toBe(1);
  await me.close();
  await they.close();
});

it("refuses who brings no good token, and bills nothing", async () => {
  const { agentId, token } = await api.authorize();
  for (const [bad, code] of [
    [undefined, "missing_token"],
    [`${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`, "invalid_token"],
  ] as const) {
    const caller = await connectHttp(server.url, bad);
    expect(await caller.call("forecast", { city: "Oslo" })).toMatchObject({ isError: true, refused: code });
    await caller.close();
  }
  expect(await api.billed(agentId)).toBe(0);
});
