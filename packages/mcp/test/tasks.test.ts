import {
  InMemoryTaskMessageQueue,
  InMemoryTaskStore,
} from "@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js";
import { Server as LowServerV1 } from "@modelcontextprotocol/sdk/server/index.js";
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { CallToolRequestSchema, CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createTaskOwners } from "../src/protocol/task-owners.ts";
import { createTestPaywall, type TestPaywall } from "../src/testing.ts";
import { text } from "./connect.ts";

const info = { name: "server", version: "1" };
const capabilities = { tools: {}, tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } };
const Answer = z.object({
  result: z
    .looseObject({
      task: z.looseObject({ taskId: z.string() }).optional(),
      tasks: z.array(z.looseObject({ taskId: z.string() })).optional(),
    })
    .optional(),
  error: z.looseObject({ code: z.number(), data: z.unknown().optional() }).optional(),
});

let paywall: TestPaywall;
let taskStore: InMemoryTaskStore;
let payer: string;
let other: string;
beforeEach(() => {
  paywall = createTestPaywall();
  paywall.actAs(null);
  taskStore = new InMemoryTaskStore();
  payer = paywall.authorize("agt_payer");
  other = paywall.authorize("agt_other");
});

const CHARGES = { tools: { paid: { meterName: "rows" }, verified: {}, free: false } } as const;

/** A server for one request, as stateless HTTP makes them: what outlives it is the store and the paywall. */
function highLevel(): McpServerV1 {
  const server = new McpServerV1(info, {
    capabilities,
    taskStore,
    taskMessageQueue: new InMemoryTaskMessageQueue(),
  });
  paywall.protect(server, CHARGES);
  for (const name of ["paid", "verified", "free"]) {
    server.experimental.tasks.registerToolTask(
      name,
      { execution: { taskSupport: "optional" } },
      {
        async createTask(extra) {
          const task = await extra.taskStore.createTask({ ttl: 60_000 });
          await extra.taskStore.storeTaskResult(task.taskId, "completed", text(`result of ${name}`));
          return { task };
        },
        getTask: (extra) => extra.taskStore.getTask(extra.taskId),
        getTaskResult: async (extra) =>
          CallToolResultSchema.parse(await extra.taskStore.getTaskResult(extra.taskId)),
      },
    );
  }
  return server;
}

/** The same, by a request handler of the owner's own. */
function lowLevel(): LowServerV1 {
  const server = new LowServerV1(info, {
    capabilities,
    taskStore,
    taskMessageQueue: new InMemoryTaskMessageQueue(),
  });
  paywall.protect(server, CHARGES);
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const task = await extra.taskStore?.createTask({ ttl: 60_000 });
    await extra.taskStore?.storeTaskResult(task?.taskId ?? "", "completed", text(`result of ${params.name}`));
    return { task };
  });
  return server;
}

async function send(
  build: () => McpServerV1 | LowServerV1,
  token: string | undefined,
  method: string,
  params: object = {},
) {
  const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
  await build().connect(transport);
  const response = await transport.handleRequest(
    new Request("http://localhost/mcp", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    }),
  );
  return Answer.parse(await response.json());
}

describe.each([
  ["an McpServer", highLevel],
  ["a low-level server", lowLevel],
])("the tasks of %s", (_, build) => {
  const start = async (name: string, token?: string) => {
    const { result } = await send(build, token, "tools/call", { name, arguments: {}, task: { ttl: 60_000 } });
    return result?.task?.taskId ?? "none";
  };
  const listed = async (token?: string) =>
    (await send(build, token, "tasks/list")).result?.tasks?.map(({ taskId }) => taskId);

  it.each(["paid", "verified"])("belong to the agent that started them: %s", async (name) => {
    const taskId = await start(name, payer);
    const strangers = [
      [undefined, { data: { code: "missing_token" } }],
      ["AGT-unknown-token", { data: { code: "invalid_token" } }],
      [other, { code: -32_602, message: `Task not found: ${taskId}` }],
    ] as const;
    for (const [token, error] of strangers) {
      expect(await listed(token)).toEqual([]);
      for (const method of ["tasks/get", "tasks/result", "tasks/cancel"]) {
        const answer = await send(build, token, method, { taskId });
        expect(answer.result).toBeUndefined();
        expect(answer.error).toMatchObject(error);
      }
    }
    expect(await listed(payer)).toEqual([taskId]);
    expect((await send(build, payer, "tasks/get", { taskId })).result).toMatchObject({ status: "completed" });
    expect((await send(build, payer, "tasks/result", { taskId })).result).toMatchObject(
      text(`result of ${name}`),
    );
    expect((await send(build, payer, "tasks/cancel", { taskId })).error).toMatchObject({
      message: expect.stringMatching(/terminal status/),
    });
  });

  it("stay the agent's when its token is rotated", async () => {
    const taskId = await start("paid", payer);
    const rotated = paywall.authorize("agt_payer");
    expect(await listed(rotated)).toEqual([taskId]);
    expect((await send(build, rotated, "tasks/result", { taskId })).result).toMatchObject(
      text("result of paid"),
    );
  });

  it("are not another account's, whose agent has the same name", async () => {
    const taskId = await start("paid", payer);
    const namesake = paywall.authorize("agt_payer", { accountId: "acc_other" });
    expect(await listed(namesake)).toEqual([]);
    expect((await send(build, namesake, "tasks/result", { taskId })).result).toBeUndefined();
  });

  it("are everybody's where their tool is free", async () => {
    const [free, paid] = [await start("free"), await start("paid", payer)];
    expect(await listed()).toEqual([free]);
    expect(await listed(payer)).toEqual([free, paid]);
    expect((await send(build, undefined, "tasks/result", { taskId: free })).result).toMatchObject(
      text("result of free"),
    );
  });

  it("stay the agent's where its key repeats the call that started them", async () => {
    const _meta = { "com.licentric/idempotencyKey": "k" };
    const params = { name: "paid", arguments: {}, task: { ttl: 60_000 }, _meta };
    const first = await send(build, payer, "tools/call", params);
    expect(await send(build, payer, "tools/call", params)).toEqual(first);
    expect(await listed()).toEqual([]);
    expect(await listed(payer)).toHaveLength(1);
    paywall.expectBilled({ quantity: 1 });
  });

  it("are nobody's after a restart: it is not known any more who paid", async () => {
    const taskId = await start("paid", payer);
    paywall = createTestPaywall();
    const token = paywall.authorize("agt_payer");
    paywall.actAs(token);
    expect(await listed(token)).toEqual([]);
    expect((await send(build, token, "tasks/result", { taskId })).error).toMatchObject({ code: -32_602 });
  });

  it("are told to nobody while it cannot be asked who calls", async () => {
    const taskId = await start("paid", payer);
    const unknown = paywall.authorize("agt_unknown");
    paywall.refuseWith("billing_unavailable");
    const error = { data: { code: "billing_unavailable" } };
    expect((await send(build, unknown, "tasks/result", { taskId })).error).toMatchObject(error);
    expect((await send(build, unknown, "tasks/list")).error).toMatchObject(error);
  });
});

describe("the memory of who started what", () => {
  const agent = (agentId: string) => ({ accountId: "acc_1", agentId });
  const task = (taskId: string) => ({ task: { taskId } });

  it("is bounded, and no agent can push another's tasks out alone", () => {
    const owners = createTaskOwners();
    owners.remember(task("of the quiet one"), agent("quiet"));
    for (let n = 0; n < 20_000; n++) owners.remember(task(`loud ${n}`), agent("loud"));
    expect(owners.isOf("of the quiet one", agent("quiet"))).toBe(true);
    expect(owners.isOf("loud 9999", agent("loud"))).toBe(false);
    expect(owners.isOf("loud 10000", agent("loud"))).toBe(true);
    for (let n = 0; n < 100_000; n++) owners.remember(task(`many ${n}`), agent(`agent ${n % 100}`));
    expect(owners.isOf("of the quiet one", agent("quiet"))).toBe(false);
    expect(owners.isOf("many 0", agent("agent 0"))).toBe(true);
  });

  it("knows a task that is the result itself, as the extension has it", () => {
    const owners = createTaskOwners();
    owners.remember({ resultType: "task", taskId: "t", status: "working" }, agent("a"));
    expect(owners.isOf("t", agent("a"))).toBe(true);
    owners.remember({ resultType: "complete", taskId: "u" }, agent("a"));
    expect(owners.isOf("u", agent("a"))).toBe(false);
  });

  it("keeps the first owner", () => {
    const owners = createTaskOwners();
    owners.remember(task("t"), agent("a"));
    owners.remember(task("t"), "everybody");
    expect(owners.isEverybodys("t")).toBe(false);
    expect(owners.isOf("t", agent("a"))).toBe(true);
  });
});
