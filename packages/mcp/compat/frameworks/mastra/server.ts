// #region server
import { createServer } from "node:http";
import { createPaywall } from "@licentric/mcp";
import { createTool } from "@mastra/core/tools";
import { MCPServer } from "@mastra/mcp";
import { z } from "zod";
import { forecast } from "../forecast.ts";

// What a tool of Mastra returns is always a success: a refusal has to be thrown.
const paywall = createPaywall({ refusals: "throw" });

const server = new MCPServer({
  id: "weather",
  name: "weather",
  version: "1.0.0",
  tools: {
    forecast: createTool({
      id: "forecast",
      description: "Says what the weather will be.",
      inputSchema: z.object({ city: z.string() }),
      outputSchema: z.object({ text: z.string() }),
      execute: paywall.tool(
        { name: "forecast", meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true },
        async ({ city }: { city: string }) => ({ text: await forecast(city) }),
      ),
    }),
  },
});

createServer((req, res) => {
  const url = new URL(req.url ?? "/", "http://localhost");
  void server.startHTTP({ url, httpPath: "/mcp", req, res });
}).listen(Number(process.env["PORT"]));
// #endregion
