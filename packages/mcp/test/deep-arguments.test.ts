import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { IDEMPOTENCY_META_KEY } from "../src/index.ts";
import { createTestPaywall } from "../src/testing.ts";
import { connectV1, connectV2, text } from "./connect.ts";

// What a handler can take is served: nothing that reads the arguments fails once the call is billed.

/** Lists inside of one another, more of them than a recursive walk has stack for. */
function deep(depth = 6_000): unknown[] {
  let list: unknown[] = [];
  for (let level = 1; level < depth; level++) list = [list];
  return list;
}

const MODES = ["call", "success", "reserve"] as const;

describe.each(MODES)("arguments 6,000 lists deep, charge %s", (charge) => {
  it.each([[undefined], ["k"]])(
    "are served, and billed once, through paywall.tool, under the key %s",
    async (key) => {
      const paywall = createTestPaywall();
      const handler = paywall.tool(
        { name: "t", meterName: "api_calls", charge },
        async (_args: { list: unknown }, _context: object) => text("ran"),
      );
      const context = () => ({
        signal: new AbortController().signal,
        ...(key !== undefined && { _meta: { [IDEMPOTENCY_META_KEY]: key } }),
      });
      expect(await handler({ list: deep() }, context())).toEqual(text("ran"));
      paywall.expectBilled({ quantity: 1 });
    },
  );

  it.each(["v1", "v2"])("are served, and billed once, by a protected server of SDK %s", async (sdk) => {
    const paywall = createTestPaywall();
    const info = { name: "server", version: "1" };
    const v1 = new McpServerV1(info);
    v1.registerTool("t", { inputSchema: { list: z.any() } }, async () => text("ran"));
    const v2 = new McpServerV2(info);
    v2.registerTool("t", { inputSchema: z.object({ list: z.any() }) }, async () => text("ran"));
    paywall.protect(sdk === "v1" ? v1 : v2, { tools: { t: { meterName: "api_calls", charge } } });
    const client = sdk === "v1" ? await connectV1(v1) : await connectV2(v2);
    for (const key of ["a", "b"]) {
      const _meta = { [IDEMPOTENCY_META_KEY]: key };
      const called = await client.callTool({ name: "t", arguments: { list: deep() }, _meta });
      expect(called).toMatchObject(text("ran"));
    }
    paywall.expectBilled({ quantity: 1 }, { quantity: 1 });
  });
});

it("arguments that cannot be read are refused before they are billed", async () => {
  const paywall = createTestPaywall();
  const handler = paywall.tool(
    { name: "t", meterName: "api_calls", charge: "call" },
    async (_args: object, _context: object) => text("ran"),
  );
  const args = {
    get broken(): never {
      throw new Error("cannot be read");
    },
  };
  await expect(handler(args, { signal: new AbortController().signal })).rejects.toThrow("cannot be read");
  paywall.expectBilled();
});
