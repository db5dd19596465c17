import { serve } from "@hono/node-server";
import { createPaywall } from "@licentric/mcp";
import { createMcpHonoApp } from "@modelcontextprotocol/hono";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

const port = Number(process.env["PORT"] ?? 3000);

// LICENTRIC_BASE_URL says where the API is. One paywall for all requests; a server is made for each.
const paywall = createPaywall();
paywall.on("failed", ({ reason, error }) => console.error(reason, error));

const mcp = createMcpHandler(() => {
  const server = new McpServer({ name: "weather", version: "1.0.0" });
  server.registerTool(
    "forecast",
    { description: "Tomorrow's weather", inputSchema: z.object({ city: z.string() }) },
    paywall.tool({ name: "forecast", meterName: "api_calls" }, async ({ city }, context) => ({
      content: [{ type: "text", text: `${city}: 13 °C, for agent ${paywall.caller(context).agentId}` }],
    })),
  );
  return server;
});

const auth = paywall.requireBearerAuth({
  // The address that clients use.
  resource: new URL("/mcp", process.env["PUBLIC_URL"] ?? `http://127.0.0.1:${port}`),
  resourceName: "Weather",
  requiredScopes: ["mcp:invoke"],
});

const app = createMcpHonoApp();
app.all("*", async ({ req }) => {
  const authInfo = await auth(req.raw);
  return authInfo instanceof Response ? authInfo : mcp.fetch(req.raw, { authInfo });
});

const http = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }, (address) => {
  console.log(`Weather on http://127.0.0.1:${address.port}/mcp`);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    http.close(() => void paywall.close());
    if ("closeIdleConnections" in http) {
      http.closeIdleConnections();
      setTimeout(() => http.closeAllConnections(), 5_000).unref(); // streams that clients keep open
    }
  });
}
