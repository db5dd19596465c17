// #region server
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { bearerToken, createPaywall } from "@licentric/mcp";
import { ZodJsonSchemaAdapter } from "@tmcp/adapter-zod";
import { HttpTransport } from "@tmcp/transport-http";
import { McpServer } from "tmcp";
import { z } from "zod";
import { forecast } from "../forecast.ts";

const server = new McpServer(
  { name: "weather", version: "1.0.0", description: "The weather" },
  { adapter: new ZodJsonSchemaAdapter(), capabilities: { tools: {} } },
).withContext<{ token: string | undefined }>();

// tmcp hands its handlers the arguments alone, and keeps what it knows of the request in `server.ctx`.
const paywall = createPaywall({ token: () => server.ctx.custom?.token });

server.tool(
  {
    name: "forecast",
    description: "Says what the weather will be.",
    schema: z.object({ city: z.string() }),
  },
  paywall.tool(
    { name: "forecast", meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true },
    async ({ city }: { city: string }) => ({
      content: [{ type: "text" as const, text: await forecast(city) }],
    }),
  ),
);

const transport = new HttpTransport(server, { path: "/mcp" });
createServer(
  getRequestListener(async (request) => {
    const authorization = request.headers.get("authorization");
    const token = authorization === null ? undefined : bearerToken(authorization);
    return (await transport.respond(request, { token })) ?? new Response(null, { status: 404 });
  }),
).listen(Number(process.env["PORT"]));
// #endregion
