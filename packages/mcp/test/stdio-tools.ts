import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { createPaywall } from "../src/index.ts";

// Tools that are wrapped one by one: no server is known to the paywall.
const paywall = createPaywall();
const info = { name: "test", version: "1" };
const handler = paywall.tool({ meterName: "api_calls", name: "t" }, async (context) => ({
  content: [{ type: "text" as const, text: paywall.caller(context).agentId }],
}));

if (process.argv[2] === "v1") {
  const server = new McpServerV1(info);
  server.registerTool("t", {}, handler);
  await server.connect(new StdioServerTransport());
} else {
  serveStdio(() => {
    const server = new McpServerV2(info);
    server.registerTool("t", {}, handler);
    return server;
  });
}
