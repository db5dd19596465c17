import { setImmediate } from "node:timers/promises";
import { Server as LowServerV1 } from "@modelcontextprotocol/sdk/server/index.js";
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PaywallEvents, ProtectOptions } from "../src/index.ts";
import { createTestPaywall, type TestPaywallOptions } from "../src/testing.ts";
import { connectV1, connectV2, refusalOf, text } from "./connect.ts";

// Every function that an owner can hand over, as a JavaScript program writes it: none may end the process.

const info = { name: "server", version: "1" };
const broken = async () => {
  throw new Error("broken");
};
const later = async () => 1;

let rejections: unknown[];
let warnings: string[];
const onRejection = (error: unknown) => void rejections.push(error);
const onWarning = ({ message }: Error) => void warnings.push(message);
beforeEach(() => {
  rejections = [];
  warnings = [];
  process.on("unhandledRejection", onRejection);
  process.on("warning", onWarning);
});
afterEach(async () => {
  await setImmediate();
  process.off("unhandledRejection", onRejection);
  process.off("warning", onWarning);
  expect(rejections).toEqual([]);
});

async function serve(sdk: string, charge: unknown, options: unknown = {}) {
  // Options as they come from a JavaScript program.
  const paywall = createTestPaywall(options as TestPaywallOptions);
  const failed: PaywallEvents["failed"][] = [];
  paywall.on("failed", (event) => failed.push(event));
  let runs = 0;
  const handler = () => {
    runs++;
    return text("ran");
  };
  const charges = { tools: { t: charge } } as ProtectOptions;
  const v1 = paywall.protect(new McpServerV1(info), charges);
  v1.registerTool("t", {}, handler);
  const v2 = paywall.protect(new McpServerV2(info), charges);
  v2.registerTool("t", {}, handler);
  const client = sdk === "v1" ? await connectV1(v1) : await connectV2(v2);
  return { paywall, failed, runs: () => runs, client };
}

describe.each(["v1", "v2"])("on SDK %s", (sdk) => {
  it.each([
    ["quantity", "rejects", { meterName: "rows", quantity: broken }],
    ["quantity", "answers a promise", { meterName: "rows", quantity: later }],
    ["quantity", "returns a promise that rejects", { meterName: "rows", quantity: () => broken() }],
    [
      "quantity",
      "reads its caller later",
      {
        meterName: "rows",
        quantity: async (_: unknown, caller: { agentId: string }) => caller.agentId.length,
      },
    ],
    ["meterName", "rejects", { meterName: broken }],
    ["meterName", "answers a promise", { meterName: async () => "rows" }],
    ["resultQuantity", "rejects", { meterName: "rows", resultQuantity: broken }],
    ["resultQuantity", "answers a promise", { meterName: "rows", resultQuantity: later }],
    [
      "resultQuantity",
      "rejects, of what is held",
      { meterName: "rows", charge: "reserve", resultQuantity: broken },
    ],
  ])("a call is refused, and nothing run or billed, where %s %s", async (name, _, charge) => {
    const { paywall, failed, runs, client } = await serve(sdk, charge);
    expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({ code: "misconfigured" });
    expect(runs()).toBe(0);
    paywall.expectBilled();
    expect(failed).toMatchObject([
      { name: "t", reason: expect.stringContaining(`${name} returned a promise`) },
    ]);
  });

  it("bills `quantity` where resultQuantity answers a promise and does not say so", async () => {
    const charge = { meterName: "rows", quantity: 3, resultQuantity: () => broken() };
    const { paywall, failed, client } = await serve(sdk, charge);
    expect(await client.callTool({ name: "t" })).toMatchObject(text("ran"));
    paywall.expectBilled({ quantity: 3 });
    expect(failed).toMatchObject([{ reason: expect.stringContaining("resultQuantity returned a promise") }]);
  });

  it.each([
    ["rejects", broken],
    [
      "throws",
      () => {
        throw new Error("broken");
      },
    ],
    ["answers no text", () => 7],
    ["answers no text later", async () => ({ token: "AGT-0123456789" })],
  ])("a call is refused, and nothing run or billed, where token %s", async (_, token) => {
    const { paywall, failed, runs, client } = await serve(sdk, { meterName: "rows" }, { token });
    const denied: PaywallEvents["denied"][] = [];
    paywall.on("denied", (event) => denied.push(event));
    expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({ code: "misconfigured" });
    expect(runs()).toBe(0);
    paywall.expectBilled();
    expect(failed).toMatchObject([{ name: "t", reason: expect.stringMatching(/^token (threw|returned)/) }]);
    expect(denied).toMatchObject([{ name: "t", refusal: { code: "misconfigured" } }]);
  });

  it("a call is refused within the paywall's timeout where token never answers", async () => {
    const never = () => new Promise(() => {});
    const options = { token: never, timeout: 20, hideUncallable: true };
    const { paywall, failed, runs, client } = await serve(sdk, { meterName: "rows" }, options);
    expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({ code: "misconfigured" });
    expect((await client.listTools()).tools).toHaveLength(1);
    expect(runs()).toBe(0);
    paywall.expectBilled();
    const reason = expect.stringMatching(/^token did not return within 20 ms: .*createPaywall/);
    expect(failed).toMatchObject([{ name: "t", reason }, { reason }]);
  });

  it("a token function that rejects when its call is refused already ends no process", async () => {
    let reject = (_: Error) => {};
    const token = () => new Promise((_, rejected) => (reject = rejected));
    const { client } = await serve(sdk, { meterName: "rows" }, { token, timeout: 20 });
    expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({ code: "misconfigured" });
    reject(new Error("too late"));
    await setImmediate();
  });

  it("tools are listed where token rejects", async () => {
    const { client, failed } = await serve(sdk, {}, { token: broken, hideUncallable: true });
    expect((await client.listTools()).tools).toHaveLength(1);
    expect(failed).toMatchObject([{ reason: "token threw" }]);
  });
});

it("a call of an own handler waits no longer than the paywall's timeout for a list that never comes", async () => {
  const options = { timeout: 20 };
  const paywall = createTestPaywall(options as TestPaywallOptions);
  const server = new LowServerV1(info, { capabilities: { tools: {} } });
  paywall.protect(server, { tools: { t: { meterName: "rows" } } });
  server.setRequestHandler(ListToolsRequestSchema, () => new Promise<never>(() => {}));
  server.setRequestHandler(CallToolRequestSchema, () => text("ran"));
  expect(await (await connectV1(server)).callTool({ name: "t" })).toMatchObject(text("ran"));
  paywall.expectBilled({ quantity: 1 });
});

describe("a listener", () => {
  const events = ["verified", "denied", "metered", "delivered", "failed"] as const;

  it.each([
    ["rejects", broken],
    [
      "throws",
      () => {
        throw new Error("broken");
      },
    ],
    [
      "throws what has no text",
      () => {
        throw Object.create(null);
      },
    ],
    ["rejects with what has no text", () => Promise.reject(Object.create(null))],
  ])("that %s is a warning, and costs no caller its answer", async (_, listener) => {
    const { client, paywall } = await serve("v1", { meterName: "rows", quantity: () => 1.5 });
    for (const event of events) paywall.on(event, listener);
    expect(refusalOf(await client.callTool({ name: "t" }))).toMatchObject({ code: "misconfigured" });
    await setImmediate();
    expect(warnings).toEqual([
      expect.stringMatching(/^a "failed" listener of the paywall threw: /),
      expect.stringMatching(/^a "denied" listener of the paywall threw: /),
    ]);
  });

  it("that removes and adds itself while it is told is told once, and so is whoever it adds from the next event on", async () => {
    const { client, paywall } = await serve("v1", { meterName: "rows" });
    const told: string[] = [];
    let stop = () => {};
    const listener = () => {
      told.push("itself");
      stop();
      stop = paywall.on("metered", listener);
      if (told.length === 1) paywall.on("metered", () => told.push("another"));
    };
    stop = paywall.on("metered", listener);
    await client.callTool({ name: "t" });
    expect(told).toEqual(["itself"]);
    await client.callTool({ name: "t" });
    // It was added again before the other one.
    expect(told).toEqual(["itself", "itself", "another"]);
  });
});
