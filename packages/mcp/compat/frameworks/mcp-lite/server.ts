// #region server
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { bearerToken, createPaywall } from "@licentric/mcp";
import { McpServer, StreamableHttpTransport } from "mcp-lite";
import { z } from "zod";
import { forecast } from "../forecast.ts";

const paywall = createPaywall();
const server = new McpServer({
  name: "weather",
  version: "1.0.0",
  schemaAdapter: (schema) => z.toJSONSchema(schema as z.ZodType),
});

server.tool("forecast", {
  description: "Says what the weather will be.",
  inputSchema: z.object({ city: z.string() }),
  handler: paywall.tool(
    { name: "forecast", meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true },
    async ({ city }: { city: string }) => ({
      content: [{ type: "text" as const, text: await forecast(city) }],
    }),
  ),
});

const handle = new StreamableHttpTransport().bind(server);
createServer(
  getRequestListener((request) => {
    const authorization = request.headers.get("authorization");
    const token = authorization === null ? undefined : bearerToken(authorization);
    return handle(request, token === undefined ? {} : { authInfo: { token, scopes: [] } });
  }),
).listen(Number(process.env["PORT"]));
// #endregion
