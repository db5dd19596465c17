// Compiled from the packed package against both SDKs, as a module and, under another name, as CommonJS.
import { createPaywall } from "@licentric/mcp";
import { createTestPaywall } from "@licentric/mcp/testing";
import { requireBearerAuth as requireBearerAuthV1 } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpServer as McpServerV2, requireBearerAuth } from "@modelcontextprotocol/server";
import { z } from "zod";

const info = { name: "server", version: "1" };
const paywall = createPaywall({ baseUrl: "http://127.0.0.1:4242" });
const content = (city: string) => ({ content: [{ type: "text" as const, text: city }] });

const v1: McpServerV1 = paywall.protect(new McpServerV1(info), {
  tools: { forecast: { meterName: "rows" } },
});
v1.registerTool(
  "forecast",
  { inputSchema: { city: z.string() } },
  paywall.tool({ meterName: "rows", quantity: ({ city }) => city.length }, async ({ city }) => content(city)),
);
const v2: McpServerV2 = paywall.protect(new McpServerV2(info), {
  tools: { forecast: { meterName: "rows" } },
});
v2.registerTool(
  "forecast",
  { inputSchema: z.object({ city: z.string() }) },
  paywall.tool({ meterName: "rows", quantity: ({ city }) => city.length }, async ({ city }) => content(city)),
);
requireBearerAuthV1({ verifier: paywall.verifier() });
requireBearerAuth({ verifier: paywall.verifier() });
createTestPaywall().expectBilled({ meterName: "rows", quantity: 1 });
// @ts-expect-error: what the types forbid, they forbid in the package too.
createPaywall({ metering: "sometimes" });
