import { createServer } from "node:http";
import type { Paywall } from "@licentric/mcp";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

const text = (content: string) => ({ content: [{ type: "text" as const, text: content }] });

/** Number of times that each tool's real handler has run, which a refused call must not change. */
export type Runs = Record<"forecast" | "history" | "erase", number>;

/** A weather server whose tools are paid for. */
export interface WeatherServer {
  readonly url: URL;
  readonly runs: Runs;
  close(): Promise<void>;
}

/** Serves three paid tools over Streamable HTTP on a free port. */
export async function startWeatherServer(paywall: Paywall): Promise<WeatherServer> {
  const runs: Runs = { forecast: 0, history: 0, erase: 0 };
  const mcp = createMcpHandler(() => {
    const server = new McpServer({ name: "weather", version: "1.0.0" });
    server.registerTool(
      "forecast",
      { description: "Tomorrow's weather", inputSchema: z.object({ city: z.string() }) },
      paywall.tool({ name: "forecast", meterName: "api_calls" }, async ({ city }) => {
        runs.forecast += 1;
        return text(`${city}: sunny, ${15 + (city.length % 10)} °C`);
      }),
    );
    server.registerTool(
      "history",
      { description: "Past weather", inputSchema: z.object({ city: z.string(), days: z.int().positive() }) },
      paywall.tool(
        { name: "history", meterName: "history_days", quantity: ({ days }) => days },
        async ({ city, days }) => {
          runs.history += 1;
          return text(`${city}: ${days} days of records`);
        },
      ),
    );
    server.registerTool(
      "erase",
      { description: "Erase a station's records", inputSchema: z.object({ city: z.string() }) },
      paywall.tool({ name: "erase", meterName: "api_calls", scopes: ["weather:admin"] }, async ({ city }) => {
        runs.erase += 1;
        return text(`${city}: erased`);
      }),
    );
    return server;
  });

  const http = createServer(toNodeHandler(mcp));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const address = http.address();
  if (typeof address !== "object" || address === null) throw new Error("the weather server has no port");
  return {
    url: new URL(`http://127.0.0.1:${address.port}/mcp`),
    runs,
    close: async () => {
      const closed = new Promise((resolve) => http.close(resolve));
      http.closeAllConnections();
      await closed;
    },
  };
}
