import {
  InMemoryTaskMessageQueue,
  InMemoryTaskStore,
} from "@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js";
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import {
  CallToolResultSchema,
  ErrorCode,
  McpError,
  UrlElicitationRequiredError,
} from "@modelcontextprotocol/sdk/types.js";
import { createMcpHandler, McpServer as McpServerV2, requireScopes } from "@modelcontextprotocol/server";
import { expect, it } from "vitest";
import { z } from "zod";
import { createTestPaywall } from "../src/testing.ts";
import { connectModern, connectV1, connectV2, refusalOf, text } from "./connect.ts";

// The traps of both SDKs, each reproduced once: a test a trap.

const info = { name: "server", version: "1" };
const sized = { outputSchema: { size: z.number() } };

it("trap 1: a refusal reaches the agent on a tool with an output schema", async () => {
  const paywall = createTestPaywall();
  paywall.actAs(null);
  const handler = paywall.tool({ meterName: "api_calls" }, async () => ({
    content: [],
    structuredContent: { size: 1 },
  }));
  const v1 = new McpServerV1(info);
  v1.registerTool("t", sized, handler);
  const v2 = new McpServerV2(info);
  v2.registerTool("t", { outputSchema: z.object(sized.outputSchema) }, handler);
  const clients = [await connectV1(v1), await connectV2(v2)];
  for (const client of clients) {
    // Clients check results against schemas that they have listed.
    await client.listTools();
    const result = await client.callTool({ name: "t" });
    expect(refusalOf(result)).toMatchObject({ code: "missing_token" });
    expect(result.structuredContent).toBeUndefined();
  }
});

it("trap 2: a refusal as an error crosses with its code and data, on both SDKs and in both eras", async () => {
  const paywall = createTestPaywall({ refusals: "error" });
  paywall.actAs(paywall.authorize("agt_broke", { budgets: { api_calls: 0 } }));
  const charges = { tools: { t: { meterName: "api_calls", enforceBudget: true } } };
  const buildV2 = () => {
    const server = paywall.protect(new McpServerV2(info), charges);
    server.registerTool("t", {}, () => text("ran"));
    return server;
  };
  const v1 = paywall.protect(new McpServerV1(info), charges);
  v1.registerTool("t", {}, () => text("ran"));
  for (const client of [await connectV1(v1), await connectV2(buildV2()), await connectModern(buildV2)]) {
    await expect(client.callTool({ name: "t" })).rejects.toMatchObject({
      code: 6004,
      data: { code: "budget_exceeded", status: 402, budget: { limit: 0 } },
    });
  }
});

it("trap 2: what a handler throws is the handler's own, −32042 included", async () => {
  const paywall = createTestPaywall();
  const server = paywall.protect(new McpServerV1(info), {});
  server.registerTool("url", {}, () => {
    throw new UrlElicitationRequiredError([
      { mode: "url", message: "Top up", url: "https://example.com", elicitationId: "1" },
    ]);
  });
  server.registerTool("other", {}, () => {
    throw new McpError(ErrorCode.InternalError, "broken");
  });
  const client = await connectV1(server);
  await expect(client.callTool({ name: "url" })).rejects.toMatchObject({ code: -32042 });
  expect(await client.callTool({ name: "other" })).toMatchObject({ isError: true });
});

// Traps 3 and 4 (handlers installed early, and registrations that patching misses): protect.test.ts.

it("trap 5: two honest identical calls are both billed, although their JSON-RPC ids repeat", async () => {
  const paywall = createTestPaywall();
  for (let session = 0; session < 2; session++) {
    const server = paywall.protect(new McpServerV1(info), { tools: { t: { meterName: "api_calls" } } });
    server.registerTool("t", {}, () => text("ran"));
    await (await connectV1(server)).callTool({ name: "t" });
  }
  paywall.expectBilled({ quantity: 1 }, { quantity: 1 });
});

// Trap 6 (calls of several rounds): rounds.test.ts.

it("trap 7: a task-augmented call is refused as an error, and charged when its task starts", async () => {
  const paywall = createTestPaywall();
  const taskStore = new InMemoryTaskStore();
  const server = new McpServerV1(info, {
    capabilities: { tasks: { requests: { tools: { call: {} } } } },
    taskStore,
    taskMessageQueue: new InMemoryTaskMessageQueue(),
  });
  paywall.protect(server, { tools: { slow: { meterName: "api_calls" } } });
  server.experimental.tasks.registerToolTask(
    "slow",
    { description: "Slow", execution: { taskSupport: "optional" } },
    {
      async createTask(extra) {
        const task = await extra.taskStore.createTask({ ttl: 60_000, pollInterval: 5 });
        setTimeout(() => void extra.taskStore.storeTaskResult(task.taskId, "completed", text("done")), 5);
        return { task };
      },
      getTask: (extra) => extra.taskStore.getTask(extra.taskId),
      getTaskResult: async (extra) =>
        CallToolResultSchema.parse(await extra.taskStore.getTaskResult(extra.taskId)),
    },
  );
  const client = await connectV1(server);
  const run = async () => {
    for await (const message of client.experimental.tasks.callToolStream(
      { name: "slow", arguments: {} },
      undefined,
      {
        task: { ttl: 60_000 },
      },
    )) {
      if (message.type === "result") return message.result;
      if (message.type === "error") throw message.error;
    }
    throw new Error("no result");
  };
  expect(await run()).toMatchObject(text("done"));
  expect(await client.callTool({ name: "slow" })).toMatchObject(text("done"));
  paywall.expectBilled({ quantity: 1 }, { quantity: 1 });
  paywall.actAs(null);
  await expect(run()).rejects.toMatchObject({ code: 6001, data: { code: "missing_token", status: 401 } });
  expect(refusalOf(await client.callTool({ name: "slow" }))).toMatchObject({ code: "missing_token" });
  paywall.expectBilled({}, {});
});

it("trap 7: a task cannot be billed by a result that comes after the call, and the owner is told", () => {
  const server = createTestPaywall().protect(new McpServerV1(info), {
    tools: { slow: { meterName: "api_calls", charge: "success" } },
  });
  const handler = { createTask() {}, getTask() {}, getTaskResult() {} };
  expect(() =>
    // A task handler as a JavaScript program writes it.
    server.experimental.tasks.registerToolTask(
      "slow",
      { execution: { taskSupport: "optional" } },
      handler as never,
    ),
  ).toThrow(/runs as a task and cannot be charged by "success"/);
});

it("trap 8: every call of one HTTP request is charged by itself", async () => {
  const paywall = createTestPaywall();
  paywall.actAs(paywall.authorize("agt_1", { budgets: { api_calls: 60 } }));
  const server = paywall.protect(new McpServerV1(info), {
    tools: { t: { meterName: "api_calls", enforceBudget: true } },
  });
  let runs = 0;
  server.registerTool("t", {}, () => text(`ran ${++runs}`));
  const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
  await server.connect(transport);
  const calls = Array.from({ length: 100 }, (_, id) => ({
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name: "t", arguments: {} },
  }));
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  const response = await transport.handleRequest(
    new Request("http://localhost/mcp", { method: "POST", headers, body: JSON.stringify(calls) }),
  );
  const answers = z.array(z.object({ result: z.looseObject({}) })).parse(await response.json());
  expect(answers).toHaveLength(100);
  expect(answers.filter(({ result }) => refusalOf(result) === undefined)).toHaveLength(60);
  expect(runs).toBe(60);
  expect(paywall.billed).toHaveLength(60);
});

it("trap 8: per-tool scopes hold without HTTP", async () => {
  const paywall = createTestPaywall();
  const server = paywall.protect(new McpServerV2(info), {
    tools: { t: { meterName: "api_calls", scopes: ["mcp:admin"] } },
  });
  // The SDK's own check lets a call without `authInfo` pass.
  server.registerTool("t", { scopeChallenge: requireScopes("mcp:admin") }, () => text("ran"));
  const client = await connectV2(server);
  expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({
    code: "insufficient_scope",
    requiredScopes: ["mcp:admin"],
  });
  paywall.expectBilled();
});

it("trap 9: a server that is made for each request shares the paywall's memory", async () => {
  const paywall = createTestPaywall();
  const handler = createMcpHandler(() => {
    const server = new McpServerV2(info);
    server.registerTool("t", {}, () => text("ran"));
    return paywall.protect(server, { tools: { t: { meterName: "api_calls" } } });
  });
  const call = async () => {
    const body = {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "t", arguments: {}, _meta: { "com.licentric/idempotencyKey": "k" } },
    };
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const response = await handler.fetch(
      new Request("http://localhost/mcp", { method: "POST", headers, body: JSON.stringify(body) }),
    );
    return response.text();
  };
  expect(await call()).toContain("ran");
  expect(await call()).toContain("ran");
  paywall.expectBilled({ quantity: 1 });
});

it("trap 10: a result that the SDK rejects is no success", async () => {
  const paywall = createTestPaywall();
  const charges = { tools: { t: { meterName: "api_calls", charge: "success" as const } } };
  const v1 = paywall.protect(new McpServerV1(info), charges);
  const bad = () => ({ content: [], structuredContent: { size: "large" } });
  v1.registerTool("t", sized, bad);
  const v2 = paywall.protect(new McpServerV2(info), charges);
  v2.registerTool("t", { outputSchema: z.object(sized.outputSchema) }, bad);
  for (const client of [await connectV1(v1), await connectV2(v2)]) {
    const result = await client.callTool({ name: "t" });
    expect(result.isError).toBe(true);
    expect(JSON.stringify(result.content)).toMatch(/Output validation error/);
  }
  paywall.expectBilled();
});

it("trap 10: a handler that its own tool() guards is settled by the SDK's verdict on a protected server", async () => {
  const paywall = createTestPaywall();
  const server = paywall.protect(new McpServerV1(info), {});
  server.registerTool(
    "t",
    sized,
    paywall.tool({ meterName: "api_calls", charge: "success" }, async () => ({
      content: [],
      structuredContent: {},
    })),
  );
  expect((await (await connectV1(server)).callTool({ name: "t" })).isError).toBe(true);
  paywall.expectBilled();
});

// Trap 11 (what requireBearerAuth knows): require-bearer-auth.test.ts.
