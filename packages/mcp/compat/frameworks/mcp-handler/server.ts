// #region server
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { createPaywall } from "@licentric/mcp";
import { createMcpHandler } from "mcp-handler";
import { z } from "zod";
import { forecast } from "../forecast.ts";

const paywall = createPaywall();

// In Next.js: `export { handler as GET, handler as POST }`.
const handler = createMcpHandler((server) => {
  paywall.protect(server, {
    tools: { forecast: { meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true } },
  });
  server.registerTool(
    "forecast",
    { description: "Says what the weather will be.", inputSchema: z.object({ city: z.string() }) },
    async ({ city }) => ({ content: [{ type: "text", text: await forecast(city) }] }),
  );
});

createServer(getRequestListener(handler)).listen(Number(process.env["PORT"]));
// #endregion
