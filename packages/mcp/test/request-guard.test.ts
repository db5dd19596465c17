import { RefusedRequestError } from "@licentric/mcp";
import { createRequestGuard, type GuardedRequest, type RequestGuardOptions } from "@licentric/mcp/protocol";
import { createTestPaywall } from "@licentric/mcp/testing";
import { AjvJsonSchemaValidator } from "@modelcontextprotocol/client/validators/ajv";
import { expect, it } from "vitest";

/** A guard, and what its server was sent. */
function guardWith(options: RequestGuardOptions, answer: unknown = { content: [] }) {
  const paywall = createTestPaywall();
  paywall.actAs(null);
  const guard = createRequestGuard(paywall, options);
  const token = paywall.authorize("agt_1", { scopes: ["mcp:invoke"] });
  const sent: string[] = [];
  let id = 0;
  return {
    paywall,
    token,
    sent,
    async handle(method: string, params: unknown, more: Partial<GuardedRequest> = {}) {
      const { signal } = new AbortController();
      id += 1;
      return guard.handle({ id, method, params, token, signal, ...more }, async (caller) => {
        sent.push(`${method} for ${caller?.agentId ?? "anybody"}`);
        if (answer instanceof Error) throw answer;
        return answer;
      });
    },
  };
}

const call = (name: string, args: object = {}) => ({ name, arguments: args });
const codeOf = async (asked: Promise<unknown>) =>
  asked.then(
    () => "no refusal",
    (error: unknown) => (error instanceof RefusedRequestError ? error.data.code : error),
  );

it("sends a paid call on for its agent, bills it once, and returns the very result", async () => {
  const answer = { content: [], later: { unknown: 1 } };
  const { handle, paywall, sent } = guardWith({ tools: { forecast: { meterName: "api_calls" } } }, answer);
  expect(await handle("tools/call", call("forecast"))).toBe(answer);
  expect(sent).toEqual(["tools/call for agt_1"]);
  paywall.expectBilled({ agentId: "agt_1", meterName: "api_calls", quantity: 1 });
});

it("sends nothing on without a token, with a bad one, or without a scope, and says which", async () => {
  const { handle, paywall, sent } = guardWith({ tools: { forecast: { scopes: ["weather:admin"] } } });
  const forecast = call("forecast");
  expect(await codeOf(handle("tools/call", forecast, { token: undefined }))).toBe("missing_token");
  expect(await codeOf(handle("tools/call", forecast, { token: "AGT-unknown-to-all" }))).toBe("invalid_token");
  expect(await codeOf(handle("tools/call", forecast))).toBe("insufficient_scope");
  expect(await codeOf(handle("tools/call", call("other"), { token: undefined }))).toBe("missing_token");
  expect(sent).toEqual([]);
  paywall.expectBilled();
});

it("never takes the token of the process's own environment for a call that came without one", async () => {
  process.env["LICENTRIC_AGENT_TOKEN"] = "AGT-of-the-owner-of-the-process";
  try {
    const { handle } = guardWith({});
    expect(await codeOf(handle("tools/call", call("forecast"), { token: undefined }))).toBe("missing_token");
  } finally {
    delete process.env["LICENTRIC_AGENT_TOKEN"];
  }
});

it("sends on what is free, and methods that nobody knows, for everybody", async () => {
  const { handle, sent } = guardWith({ tools: { ping: false } });
  await handle("tools/call", call("ping"), { token: undefined });
  await handle("acme/unknown", { anything: true }, { token: undefined });
  expect(sent).toEqual(["tools/call for anybody", "acme/unknown for anybody"]);
});

it("asks a token of every request but the handshake where the owner says so, what is free excepted", async () => {
  const { handle, sent } = guardWith({ tools: { ping: false }, requireToken: "all" });
  const none = { token: undefined };
  for (const method of ["initialize", "ping", "server/discover"]) await handle(method, {}, none);
  await handle("tools/call", call("ping"), none);
  expect(sent).toHaveLength(4);
  for (const method of ["acme/unknown", "tools/list", "resources/subscribe"])
    expect(await codeOf(handle(method, {}, none))).toBe("missing_token");
  expect(sent).toHaveLength(4);
  await handle("acme/unknown", {});
  expect(sent).toHaveLength(5);
});

const listed = { tools: [{ name: "forecast", inputSchema: { type: "object", required: ["city"] } }] };
const charged = { tools: { forecast: { meterName: "api_calls" } } };
const validator = new AjvJsonSchemaValidator();

it("bills a call that fits its server's list before it is sent, and any other by what comes of it", async () => {
  const failed = new Error("the server refused it");
  const { handle, paywall } = guardWith({ ...charged, validator }, failed);
  const more = { listTools: async () => listed };
  await expect(handle("tools/call", call("forecast", { town: "Rome" }), more)).rejects.toBe(failed);
  await expect(handle("tools/call", call("forecast", { city: "Rome" }))).rejects.toBe(failed);
  paywall.expectBilled();
  await expect(handle("tools/call", call("forecast", { city: "Rome" }), more)).rejects.toBe(failed);
  paywall.expectBilled({ meterName: "api_calls" });
});

it("bills no call of a tool that makes tasks alone before that is made as one", async () => {
  const failed = new Error("this tool needs a task");
  const { handle, paywall } = guardWith({ ...charged, validator }, failed);
  const [tool] = listed.tools;
  const listTools = async () => ({ tools: [{ ...tool, execution: { taskSupport: "required" } }] });
  const forecast = call("forecast", { city: "Rome" });
  await expect(handle("tools/call", forecast, { listTools })).rejects.toBe(failed);
  paywall.expectBilled();
  await expect(handle("tools/call", { ...forecast, task: {} }, { listTools })).rejects.toBe(failed);
  paywall.expectBilled({ meterName: "api_calls" });
});

it("bills no tool that the server does not have", async () => {
  const { handle, paywall } = guardWith(
    { default: { meterName: "api_calls" }, validator },
    new Error("Unknown tool: nowcast"),
  );
  const more = { listTools: async () => listed };
  await expect(handle("tools/call", call("nowcast"), more)).rejects.toThrow("Unknown tool: nowcast");
  paywall.expectBilled();
});

it("bills nothing for an error result where success is what is charged", async () => {
  const options = { tools: { forecast: { meterName: "api_calls", charge: "success" as const } } };
  const { handle, paywall } = guardWith(options, { content: [], isError: true });
  await handle("tools/call", call("forecast"));
  paywall.expectBilled();
});

it("bills a call of several rounds when it has brought its result", async () => {
  const answer = { resultType: "input_required", inputRequests: {} };
  const { handle, paywall } = guardWith(
    { tools: { forecast: { meterName: "api_calls", charge: "success" } } },
    answer,
  );
  expect(await handle("tools/call", call("forecast"))).toBe(answer);
  paywall.expectBilled();
});

it("marks a charged resource as private for clients of protocol 2026-07-28", async () => {
  const answer = { contents: [], cacheScope: "public" };
  const { handle } = guardWith({ resources: { "doc://a": { meterName: "pages" } } }, answer);
  const _meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
  expect(await handle("resources/read", { uri: "doc://a", _meta })).toMatchObject({ cacheScope: "private" });
});

it("hands the result of a task to the agent alone whose call made it", async () => {
  const started = { task: { taskId: "t1" } };
  const { handle, paywall } = guardWith(charged, started);
  await handle("tools/call", { ...call("forecast"), task: {} });
  const other = paywall.authorize("agt_2");
  expect(await handle("tasks/result", { taskId: "t1" })).toBe(started);
  await expect(handle("tasks/result", { taskId: "t1" }, { token: other })).rejects.toThrow("Task not found");
  expect(await codeOf(handle("tasks/result", { taskId: "t1" }, { token: undefined }))).toBe("missing_token");
});

it("keeps tasks of one scope apart from those of another, whose ids may be the same", async () => {
  const started = { task: { taskId: "1" } };
  const { handle, paywall } = guardWith({ tools: { forecast: {}, ping: false } }, started);
  const other = paywall.authorize("agt_2", { scopes: ["mcp:invoke"] });
  const [one, two] = [{ taskScope: "one" }, { taskScope: "two", token: other }];
  await handle("tools/call", { ...call("forecast"), task: {} }, one);
  await handle("tools/call", { ...call("forecast"), task: {} }, two);
  for (const own of [one, two]) expect(await handle("tasks/result", { taskId: "1" }, own)).toBe(started);
  await expect(handle("tasks/result", { taskId: "1" }, { ...one, token: other })).rejects.toThrow(
    "Task not found",
  );
  await expect(handle("tasks/result", { taskId: "1" })).rejects.toThrow("Task not found");
  // What is free in one is so there alone.
  await handle("tools/call", { ...call("ping"), task: {} }, { taskScope: "three", token: undefined });
  expect(await codeOf(handle("tasks/result", { taskId: "1" }, { ...two, token: undefined }))).toBe(
    "missing_token",
  );
});

it("hands a task of the extension to the agent alone whose call made it, and lets no other answer for it", async () => {
  const started = { resultType: "task", taskId: "t2", status: "working" };
  const { handle, paywall } = guardWith(charged, started);
  await handle("tools/call", call("forecast"));
  const other = paywall.authorize("agt_2");
  for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
    expect(await handle(method, { taskId: "t2" })).toBe(started);
    await expect(handle(method, { taskId: "t2" }, { token: other })).rejects.toThrow("Task not found");
    expect(await codeOf(handle(method, { taskId: "t2" }, { token: undefined }))).toBe("missing_token");
  }
});

it("tells each tool's price in the list", async () => {
  const { handle } = guardWith(charged, listed);
  expect(await handle("tools/list", {})).toMatchObject({
    tools: [{ name: "forecast", _meta: { "com.licentric/charge": { meterName: "api_calls", quantity: 1 } } }],
  });
});

it("tells the owner, by the place that the options are from, of a name that is no tool's", async () => {
  const { handle, paywall } = guardWith({ tools: { forcast: {} }, where: "licentric.gate.json" }, listed);
  const reasons: string[] = [];
  paywall.on("failed", ({ reason }) => reasons.push(reason));
  await handle("tools/list", {});
  expect(reasons).toEqual([
    expect.stringMatching(/^licentric\.gate\.json: tools\.forcast is the name of no/),
  ]);
});

it("refuses wrong options, and a paywall that is none of this package", () => {
  const paywall = createTestPaywall();
  // @ts-expect-error: a typing mistake of a program without types
  expect(() => createRequestGuard(paywall, { tool: {} })).toThrow('there is no option "tool"');
  // @ts-expect-error: no method that can need a token
  expect(() => createRequestGuard(paywall, { requireToken: ["ping"] })).toThrow("requireToken is a list");
  expect(() => createRequestGuard({ ...paywall, protect: (server) => server }, {})).toThrow("createPaywall");
});
