// #region server
import { bearerToken, createPaywall } from "@licentric/mcp";
import { getRequestContext, MCPServer, MCPTool } from "mcp-framework";
import { z } from "zod";
import { forecast } from "../forecast.ts";

const paywall = createPaywall({
  // mcp-framework hands its tools the arguments alone, and keeps what `authenticate` answered beside them.
  token: () => getRequestContext()?.token,
  // What a tool returns is always a success: a refusal has to be thrown.
  refusals: "throw",
});

const charged = paywall.tool(
  { name: "forecast", meterName: "api_calls", scopes: ["weather:read"], enforceBudget: true },
  ({ city }: { city: string }) => forecast(city),
);

const schema = z.object({ city: z.string().describe("The city") });

class ForecastTool extends MCPTool<z.infer<typeof schema>, typeof schema> {
  name = "forecast";
  description = "Says what the weather will be.";
  schema = schema;
  execute(input: z.infer<typeof schema>) {
    return charged(input);
  }
}

const server = new MCPServer({
  name: "weather",
  version: "1.0.0",
  transport: {
    type: "http-stream",
    options: { port: Number(process.env["PORT"]) },
    auth: {
      provider: {
        authenticate: async ({ headers: { authorization } }) => ({
          data: { token: authorization === undefined ? undefined : bearerToken(authorization) },
        }),
      },
    },
  },
});
server.addTool(ForecastTool);
await server.start();
// #endregion
