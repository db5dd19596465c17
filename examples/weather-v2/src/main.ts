import { createServer } from "node:http";
import { createPaywall } from "@licentric/mcp";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

// LICENTRIC_BASE_URL says where the API is. No key is needed: each call brings its own agent's token.
const paywall = createPaywall();
paywall.on("failed", ({ reason, error }) => console.error(reason, error));

// One server per request, one paywall for all of them.
const mcp = createMcpHandler(() => {
  const server = new McpServer({ name: "weather", version: "1.0.0" });

  server.registerTool(
    "forecast",
    { description: "Tomorrow's weather", inputSchema: z.object({ city: z.string() }) },
    paywall.tool({ name: "forecast", meterName: "api_calls" }, async ({ city }) => ({
      content: [{ type: "text", text: `${city}: ${temperature(city, 1)} °C` }],
    })),
  );

  server.registerTool(
    "history",
    {
      description: "The weather of past days, at one call per day",
      inputSchema: z.object({ city: z.string(), days: z.int().min(1).max(31) }),
    },
    paywall.tool(
      { name: "history", meterName: "api_calls", quantity: ({ days }) => days },
      async ({ city, days }) => ({
        content: [
          {
            type: "text",
            text: Array.from({ length: days }, (_, day) => temperature(city, -day)).join(", "),
          },
        ],
      }),
    ),
  );

  return server;
});

/** Stands in for what you really sell. */
function temperature(city: string, day: number): number {
  return 12 + ((city.length * 7 + Math.abs(day) * 3) % 15);
}

const http = createServer(toNodeHandler(mcp));
http.listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1", () => {
  const address = http.address();
  const port = typeof address === "object" && address !== null ? address.port : address;
  console.log(`Weather on http://127.0.0.1:${port}/mcp`);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    http.close(() => void paywall.close());
    http.closeIdleConnections();
    setTimeout(() => http.closeAllConnections(), 5_000).unref(); // streams that clients keep open
  });
}
