import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { type Api, startApi } from "../../../packages/mcp/test/api.ts";
import { connectHttp } from "../../testing/src/connect.ts";
import { type ServingExample, serveExample } from "../../testing/src/run-example.ts";

const Asked = z.object({
  max_completion_tokens: z.int(),
  messages: z.array(z.object({ content: z.string() })),
});

// A model on loopback: answers with 123 tokens, and fails where it is asked to.
let asked = 0;
const model = createServer(async (request, response) => {
  asked += 1;
  let body = "";
  for await (const chunk of request) body += chunk;
  const { messages } = Asked.parse(JSON.parse(body));
  if (messages[0]?.content.includes("fail")) return response.writeHead(503).end();
  response.setHeader("content-type", "application/json");
  return response.end(
    JSON.stringify({ choices: [{ message: { content: "In short." } }], usage: { total_tokens: 123 } }),
  );
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${z.object({ port: z.number() }).parse(server.address()).port}`;
}

let api: Api;
let server: ServingExample;
beforeAll(async () => {
  api = await startApi();
  server = await serveExample({
    main: new URL("../src/main.ts", import.meta.url),
    env: { LICENTRIC_BASE_URL: api.url, OPENAI_BASE_URL: await listen(model), OPENAI_API_KEY: "sk-test" },
  });
});
afterAll(async () => {
  const ended = await server?.stop();
  await api?.close();
  model.closeAllConnections();
  await new Promise((resolve) => model.close(resolve));
  expect(ended).toMatchObject({ code: 0, stderr: "" });
});

it("bills the tokens that the model used, and holds no more afterwards", async () => {
  const { agentId, token } = await api.authorize();
  const budget = await api.client.budgets.create({ agentId, meterName: "tokens", limit: 1_000 });
  const agent = await connectHttp(server.url, token);
  // Each holds nearly 600 of 1,000: were the rest not given back, the third would be refused.
  for (let call = 1; call <= 3; call += 1) {
    expect((await agent.call("summarize", { text: "a long text" })).structured).toEqual({
      summary: "In short.",
      tokens: 123,
    });
  }
  expect(await api.billed(agentId, "tokens")).toBe(369);
  expect(await api.client.budgets.get(budget.id)).toMatchObject({ used: 369, remaining: 631 });
  await agent.close();
});

it("bills nothing where the model fails", async () => {
  const { agentId, token } = await api.authorize();
  const agent = await connectHttp(server.url, token);
  expect(await agent.call("summarize", { text: "fail" })).toMatchObject({
    isError: true,
    refused: undefined,
  });
  expect(await api.billed(agentId, "tokens")).toBe(0);
  await agent.close();
});

it("does not ask the model where the budget does not reach", async () => {
  const { agentId, token } = await api.authorize();
  await api.client.budgets.create({ agentId, meterName: "tokens", limit: 400 });
  const agent = await connectHttp(server.url, token);
  const before = asked;
  expect(await agent.call("summarize", { text: "a" })).toMatchObject({ refused: "budget_exceeded" });
  expect(asked).toBe(before);
  expect(await api.billed(agentId, "tokens")).toBe(0);
  await agent.close();
});
