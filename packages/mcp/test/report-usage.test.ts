import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { type ChargeOptions, createPaywall, type Paywall } from "../src/index.ts";
import { connectV1, connectV2, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

// A handler that delivers as it goes says what it used: that is billed, whatever becomes of the call.

let api: StandIn;
let token: string;
let paywall: Paywall;
beforeEach(async () => {
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
  paywall = createPaywall({ baseUrl: api.url, token: () => token });
});
afterEach(async () => {
  await paywall.close();
  await api.close();
});

type Handler = (context: unknown) => Promise<object>;

/** A server with one paid tool, and what calls that. */
async function serve(sdk: "v1" | "v2", charge: ChargeOptions, run: Handler) {
  const charges = { tools: { translate: { meterName: "pages", quantity: 20, ...charge } } };
  const info = { name: "server", version: "1" };
  if (sdk === "v1") {
    const server = new McpServerV1(info);
    server.registerTool("translate", {}, async (extra) => ({ ...text("all"), ...(await run(extra)) }));
    paywall.protect(server, charges);
    const client = await connectV1(server);
    return (signal?: AbortSignal) =>
      client.callTool({ name: "translate" }, undefined, signal === undefined ? {} : { signal });
  }
  const server = new McpServerV2(info);
  server.registerTool("translate", {}, async (ctx) => ({ ...text("all"), ...(await run(ctx)) }));
  paywall.protect(server, charges);
  const client = await connectV2(server);
  return (signal?: AbortSignal) =>
    client.callTool({ name: "translate" }, signal === undefined ? {} : { signal });
}

/** A context's own signal. */
function signalOf(context: unknown): AbortSignal {
  const own = z.looseObject({ signal: z.instanceof(AbortSignal).optional() });
  const { signal, mcpReq } = own.extend({ mcpReq: own.optional() }).parse(context);
  return signal ?? mcpReq?.signal ?? expect.unreachable();
}

const billed = () => api.ledger.usage.map(({ quantity }) => quantity);

describe.each([
  ["v1", "success"],
  ["v1", "reserve"],
  ["v2", "success"],
  ["v2", "reserve"],
] as const)("what a handler on SDK %s reports, charged by %s", (sdk, charge) => {
  it("is what is billed", async () => {
    const call = await serve(sdk, { charge }, async (context) => {
      paywall.reportUsage(2, context);
      paywall.reportUsage(1);
      return {};
    });
    expect(await call()).toMatchObject(text("all"));
    expect([billed(), api.ledger.held()]).toEqual([[3], 0]);
  });

  it("is billed where the handler fails", async () => {
    const call = await serve(sdk, { charge }, async (context) => {
      paywall.reportUsage(4, context);
      throw new Error("out of paper");
    });
    expect(await call()).toMatchObject({ isError: true });
    expect([billed(), api.ledger.held()]).toEqual([[4], 0]);
  });

  it("is billed where the agent cancels when it has what it wanted", async () => {
    const aborting = new AbortController();
    const call = await serve(sdk, { charge }, async (context) => {
      for (let chapter = 0; chapter < 10; chapter++) paywall.reportUsage(1, context);
      aborting.abort();
      // The handler's own signal tells that the cancellation has arrived.
      const signal = signalOf(context);
      while (!signal.aborted) await new Promise((resolve) => setImmediate(resolve));
      return {};
    });
    await expect(call(aborting.signal)).rejects.toThrow();
    await expect.poll(billed).toEqual([10]);
    expect(api.ledger.held()).toBe(0);
  });
});

it("is told that a call is billed before it runs, and that there is none", async () => {
  const call = await serve("v2", { charge: "call" }, async (context) => {
    paywall.reportUsage(1, context);
    return {};
  });
  expect(await call()).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining("not billed by its use") }],
  });
  expect(() => paywall.reportUsage(1, {})).toThrow("a handler that is being called");
});
