import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { REFUSAL_META_KEY } from "../src/index.ts";
import { type Api, startApi } from "./api.ts";
import { type Connection, surfaces } from "./surfaces.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
}, 60_000);
afterAll(() => api.close());

const MODES = [
  { tool: "call", billed: 1 },
  { tool: "success", billed: 1 },
  { tool: "reserve", billed: 3 },
];

describe.each(surfaces)("$name", { timeout: 60_000 }, (surface) => {
  let open: Connection[];
  beforeEach(() => {
    open = [];
  });
  afterEach(() => Promise.all(open.map((connection) => connection.close())));

  async function connect(token: string | undefined, url = api.url) {
    const connection = await surface.connect(url, token);
    open.push(connection);
    return connection;
  }

  it("bills each charge mode exactly and passes the handler's answer on", async () => {
    const { agentId, token } = await api.authorize();
    const { call } = await connect(token);
    let billed = 0;
    for (const mode of MODES) {
      const result = await call(mode.tool, { text: "hello" });
      expect(result.content).toEqual([{ type: "text", text: `${mode.tool}: hello` }]);
      expect(result.isError ?? false).toBe(false);
      billed += mode.billed;
      expect(await api.billed(agentId)).toBe(billed);
    }
    expect((await call("structured", { text: "hello" })).structuredContent).toEqual({ length: 5 });
    expect((await call("free", { text: "hello" })).content).toEqual([{ type: "text", text: "free: hello" }]);
    expect(await api.billed(agentId)).toBe(billed + 1);
  });

  it("bills a failed call only where the call itself is charged, and shows the same failure", async () => {
    const { agentId, token } = await api.authorize();
    const { call } = await connect(token);
    for (const text of ["fail", "throw"]) {
      const before = await api.billed(agentId);
      for (const { tool } of MODES) {
        const result = await call(tool, { text });
        expect(result.isError).toBe(true);
        expect(result.content).toEqual([
          { type: "text", text: text === "fail" ? `${tool}: fail` : "thrown by the handler" },
        ]);
      }
      expect(await api.billed(agentId)).toBe(before + 1);
    }
  });

  it("does not bill arguments that fail validation, or a tool that does not exist", async () => {
    const { agentId, token } = await api.authorize();
    const { call } = await connect(token);
    for (const { tool } of MODES) expect((await call(tool, { text: 7 })).isError).toBe(true);
    const unknown = await call("unknown", {}).catch((error: unknown) => ({
      isError: error instanceof Error,
    }));
    expect(unknown.isError).toBe(true);
    expect(await api.billed(agentId)).toBe(0);
  });

  it.each([
    ["missing_token", async () => undefined],
    ["invalid_token", async () => "sk-not-ours"],
    ["invalid_token", async () => `AGT-${randomUUID()}`],
    ["insufficient_scope", async () => (await api.authorize(["mcp:other"])).token],
  ])("refuses in one shape, and nothing runs: %s", async (code, makeToken) => {
    const { call } = await connect(await makeToken());
    for (const { tool } of MODES) {
      const result = await call(tool, { text: "hello" });
      expect(result.isError).toBe(true);
      expect(result.structuredContent).toBeUndefined();
      expect(result._meta?.[REFUSAL_META_KEY]).toMatchObject({ code });
      expect(result.content).toEqual([
        { type: "text", text: expect.stringMatching(/Nothing was run or charged/) },
      ]);
    }
    if (code === "insufficient_scope") return;
    // A tool with an output schema: the refusal must reach the agent all the same.
    expect((await call("structured", { text: "hello" }))._meta?.[REFUSAL_META_KEY]).toMatchObject({ code });
  });

  it("refuses when the budget is used up, and says when it starts again", async () => {
    const { agentId, token } = await api.authorize();
    const limit = MODES.length;
    await api.client.budgets.create({ agentId, meterName: "api_calls", limit, window: "day" });
    const { call } = await connect(token);
    for (const { tool } of MODES) {
      expect((await call(`${tool}-budgeted`, { text: "hello" })).isError ?? false).toBe(false);
    }
    for (const { tool } of MODES) {
      const refused = await call(`${tool}-budgeted`, { text: "hello" });
      expect(refused.content).toEqual([
        { type: "text", text: expect.stringMatching(/3 of 3 api_calls.*starts again at \d{4}-/) },
      ]);
      expect(refused._meta?.[REFUSAL_META_KEY]).toMatchObject({
        code: "budget_exceeded",
        status: 402,
        resetsAt: expect.stringMatching(/^\d{4}-/),
        budget: { limit, used: limit },
      });
    }
    expect(await api.billed(agentId)).toBe(limit);
  });

  it("refuses what comes too often, and says how long to wait", async () => {
    const { agentId, token } = await api.authorize();
    const { call } = await connect(token, api.limitedUrl);
    for (const { tool } of MODES) {
      const refused = await call(tool, { text: "hello" });
      expect(refused._meta?.[REFUSAL_META_KEY]).toMatchObject({
        code: "rate_limited",
        status: 429,
        retryable: true,
        retryAfter: expect.any(Number),
      });
    }
    expect(await api.billed(agentId)).toBe(0);
  });

  it("tells an outage from a debt", async () => {
    const { call } = await connect(`AGT-${randomUUID()}`, "http://127.0.0.1:9");
    // At once: each is tried several times, with pauses in between.
    for (const refused of await Promise.all(MODES.map(({ tool }) => call(tool, { text: "hello" })))) {
      expect(refused._meta?.[REFUSAL_META_KEY]).toMatchObject({
        code: "billing_unavailable",
        status: 503,
        retryable: true,
      });
    }
  });

  it("lists what each tool costs", async () => {
    const { listTools } = await connect(undefined);
    const tools = new Map(
      (await listTools()).map((tool) => [tool.name, tool._meta?.["com.licentric/charge"]]),
    );
    expect(tools.get("call")).toEqual({
      meterName: "api_calls",
      quantity: 1,
      charge: "call",
      scopes: ["mcp:invoke"],
    });
    expect(tools.get("free")).toBeUndefined();
  });
});
