// #region server
import { createPaywall } from "@licentric/mcp";
import { FastMCP } from "fastmcp";
import { z } from "zod";
import { forecast } from "../forecast.ts";

const paywall = createPaywall();
const server = new FastMCP({
  name: "weather",
  version: "1.0.0",
  // What this returns is `session` in every handler: the paywall takes the token from it.
  authenticate: async (request: { headers: Record<string, unknown> }) => ({
    token: String(request.headers["authorization"] ?? "").replace(/^Bearer /i, "") || undefined,
  }),
});

server.addTool({
  name: "forecast",
  description: "Says what the weather will be.",
  parameters: z.object({ city: z.string() }),
  execute: paywall.tool(
    { name: "forecast", meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true },
    async ({ city }) => forecast(city),
  ),
});

await server.start({
  transportType: "httpStream",
  httpStream: { port: Number(process.env["PORT"]), stateless: process.env["STATELESS"] === "true" },
});
// #endregion
