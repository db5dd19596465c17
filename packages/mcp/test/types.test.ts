import { requireBearerAuth as requireBearerAuthV1 } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import type { ServerNotification, ServerRequest } from "@modelcontextprotocol/sdk/types.js";
import { McpServer as McpServerV2, requireBearerAuth } from "@modelcontextprotocol/server";
import { expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { createTestPaywall } from "../src/testing.ts";
import { text } from "./connect.ts";

const info = { name: "server", version: "1" };
const paywall = createTestPaywall();

it("keeps the types that v1 infers", () => {
  const server = new McpServerV1(info);
  server.registerTool(
    "with-arguments",
    { inputSchema: { city: z.string(), pages: z.number() } },
    paywall.tool(
      {
        meterName: "rows",
        quantity: (args, caller) => {
          expectTypeOf(args).toEqualTypeOf<{ city: string; pages: number }>();
          expectTypeOf(caller.scopes).toEqualTypeOf<readonly string[]>();
          return args.pages;
        },
      },
      async ({ city }, extra) => {
        expectTypeOf(city).toEqualTypeOf<string>();
        expectTypeOf(extra.requestId).toEqualTypeOf<string | number>();
        return text(city);
      },
    ),
  );
  server.registerTool(
    "without",
    {},
    paywall.tool({}, async () => text("")),
  );
  server.registerTool(
    "without-and-context",
    {},
    paywall.tool({}, async (extra) => text(String("requestId" in extra ? extra.requestId : extra.mcpReq.id))),
  );
  server.registerTool(
    "without-and-own-context",
    {},
    paywall.tool({}, async (extra: RequestHandlerExtra<ServerRequest, ServerNotification>) =>
      text(String(extra.requestId)),
    ),
  );
  server.registerTool(
    "the-result",
    { inputSchema: { city: z.string() } },
    paywall.tool(
      { meterName: "rows", resultQuantity: (result, { city }) => result.content.length + city.length },
      async ({ city }) => text(city),
    ),
  );
  expect(() => requireBearerAuthV1({ verifier: paywall.verifier() })).not.toThrow();
});

it("keeps the types that v2 infers", () => {
  const server = new McpServerV2(info);
  server.registerTool(
    "with-arguments",
    { inputSchema: z.object({ city: z.string(), pages: z.number() }) },
    paywall.tool({ meterName: "rows", quantity: ({ pages }) => pages }, async ({ city }, ctx) => {
      expectTypeOf(city).toEqualTypeOf<string>();
      expectTypeOf(ctx.mcpReq.method).toEqualTypeOf<string>();
      return text(city);
    }),
  );
  server.registerTool(
    "without",
    {},
    paywall.tool({}, async () => text("")),
  );
  expect(() => requireBearerAuth({ verifier: paywall.verifier() })).not.toThrow();
});
