// #region server
import { createServer } from "node:http";
import { createPaywall } from "@licentric/mcp";
import { registerAppTool } from "@modelcontextprotocol/ext-apps/server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { forecast } from "../forecast.ts";

const paywall = createPaywall();

const handler = createMcpHandler(() => {
  const server = paywall.protect(new McpServer({ name: "weather", version: "1.0.0" }), {
    tools: { forecast: { meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true } },
  });
  registerAppTool(
    server,
    "forecast",
    {
      description: "Shows what the weather will be.",
      inputSchema: z.object({ city: z.string() }),
      _meta: { ui: { resourceUri: "ui://weather/forecast.html" } },
    },
    async ({ city }) => ({ content: [{ type: "text", text: await forecast(city) }] }),
  );
  return server;
});

createServer(toNodeHandler(handler)).listen(Number(process.env["PORT"]));
// #endregion
