import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createPaywall } from "@licentric/mcp";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

/** Starts the MCP server; port 0 is any free one. */
export async function startServer(port: number): Promise<{ url: string; close(): Promise<void> }> {
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
  await new Promise<void>((resolve) => http.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    async close() {
      const closed = new Promise((resolve) => http.close(resolve));
      http.closeIdleConnections();
      await closed;
      await paywall.close();
    },
  };
}
