// #region server
import { createPaywall, type Paywall } from "@licentric/mcp";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpAgent } from "agents/mcp";
import { z } from "zod";

interface Env {
  readonly LICENTRIC_BASE_URL: string;
  readonly WEATHER_URL: string;
}

// One for all sessions: each has an agent of its own.
let paywall: Paywall | undefined;

export class WeatherAgent extends McpAgent<Env> {
  server = new McpServer({ name: "weather", version: "1.0.0" });

  async init() {
    paywall ??= createPaywall({ baseUrl: this.env.LICENTRIC_BASE_URL });
    paywall.protect(this.server, {
      tools: { forecast: { meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true } },
    });
    this.server.registerTool(
      "forecast",
      { description: "Says what the weather will be.", inputSchema: { city: z.string() } },
      async ({ city }) => {
        const weather = await fetch(`${this.env.WEATHER_URL}/?city=${encodeURIComponent(city)}`);
        return { content: [{ type: "text", text: await weather.text() }] };
      },
    );
  }
}

export default WeatherAgent.serve("/mcp", { binding: "MCP_OBJECT" });
// #endregion
