// #region server
import { StreamableHTTPTransport } from "@hono/mcp";
import { serve } from "@hono/node-server";
import { createPaywall } from "@licentric/mcp";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { Hono } from "hono";
import { z } from "zod";
import { forecast } from "../forecast.ts";

const paywall = createPaywall();
const app = new Hono();

app.all("/mcp", async (context) => {
  const server = paywall.protect(new McpServer({ name: "weather", version: "1.0.0" }), {
    tools: { forecast: { meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true } },
  });
  server.registerTool(
    "forecast",
    { description: "Says what the weather will be.", inputSchema: { city: z.string() } },
    async ({ city }) => ({ content: [{ type: "text", text: await forecast(city) }] }),
  );
  const transport = new StreamableHTTPTransport();
  await server.connect(transport);
  return transport.handleRequest(context);
});

serve({ fetch: app.fetch, port: Number(process.env["PORT"]) });
// #endregion
