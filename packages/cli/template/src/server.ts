import { createServer } from "node:http";
import { createPaywall } from "@licentric/mcp";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

// Where the API is: LICENTRIC_BASE_URL. No key is needed: each call brings its own agent's token.
const paywall = createPaywall();

const mcp = createMcpHandler(() => {
  const server = new McpServer({ name: "my-paid-server", version: "0.1.0" });

  // One call is one `api_calls`, billed before the tool runs. A call without a good token never gets here.
  server.registerTool(
    "word_count",
    { description: "Count the words of a text", inputSchema: z.object({ text: z.string() }) },
    paywall.tool({ name: "word_count", meterName: "api_calls" }, async ({ text }) => {
      const words = text.split(/\s+/).filter((word) => word !== "").length;
      return { content: [{ type: "text", text: `${words} words` }] };
    }),
  );

  return server;
});

const handle = toNodeHandler(mcp);
const http = createServer((request, response) => void handle(request, response));
http.listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1", () => {
  const address = http.address();
  const port = typeof address === "object" && address !== null ? address.port : address;
  console.log(`MCP server on http://127.0.0.1:${port}/mcp`);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    http.close(() => void paywall.close());
    http.closeIdleConnections();
  });
}
