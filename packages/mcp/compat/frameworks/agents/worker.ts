// #region server
import { createPaywall, type Paywall } from "@licentric/mcp";
import { McpServer } from "@modelcontextprotocol/server";
import { createMcpHandler } from "agents/mcp/server";
import { z } from "zod";

interface Env {
  readonly LICENTRIC_BASE_URL: string;
  readonly WEATHER_URL: string;
}

let paywall: Paywall | undefined;

export default {
  fetch(request: Request, env: Env, context: ExecutionContext) {
    paywall ??= createPaywall({ baseUrl: env.LICENTRIC_BASE_URL });
    const charged = paywall;
    const handler = createMcpHandler(() => {
      const server = charged.protect(new McpServer({ name: "weather", version: "1.0.0" }), {
        tools: { forecast: { meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true } },
      });
      server.registerTool(
        "forecast",
        { description: "Says what the weather will be.", inputSchema: z.object({ city: z.string() }) },
        async ({ city }) => {
          const weather = await fetch(`${env.WEATHER_URL}/?city=${encodeURIComponent(city)}`);
          return { content: [{ type: "text", text: await weather.text() }] };
        },
      );
      return server;
    });
    return handler(request, env, context);
  },
};
// #endregion
