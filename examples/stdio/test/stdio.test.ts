import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Api, startApi } from "../../../packages/mcp/test/api.ts";
import { type Connection, connect } from "../../testing/src/connect.ts";
import { exampleCommand } from "../../testing/src/run-example.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.close());

function start(token: Record<string, string>): Promise<Connection> {
  const env = { LICENTRIC_BASE_URL: api.url, ...token };
  return connect(
    new StdioClientTransport(exampleCommand({ main: new URL("../src/main.ts", import.meta.url), env })),
  );
}

it("charges the agent whose token the process was started with", async () => {
  const { agentId, token } = await api.authorize();
  const agent = await start({ LICENTRIC_AGENT_TOKEN: token });
  expect(await agent.call("count_words", { text: "one two  three" })).toMatchObject({ text: "3 words" });
  expect(await agent.call("count_words", { text: "" })).toMatchObject({ text: "0 words" });
  expect(await api.billed(agentId)).toBe(2);
  await agent.close();
});

it("refuses every call where it was started without one", async () => {
  const agent = await start({});
  expect(await agent.call("count_words", { text: "one" })).toMatchObject({ refused: "missing_token" });
  await agent.close();
});
